"""Images: where they may be, fetched and decoded within bounds of memory."""
