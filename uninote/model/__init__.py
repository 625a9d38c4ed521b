"""The encoder: prompts, processing, the tower, and the folders it is loaded from."""
