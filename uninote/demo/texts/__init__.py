"""What the notes of the demo corpus are about, and the words they use."""
