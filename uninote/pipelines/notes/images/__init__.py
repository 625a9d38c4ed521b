"""Images of notes: where they may lie, their bytes and hashes, and the texts that are read off them."""
