"""A checkpoint on the disk: which files it has, and what they declare."""
