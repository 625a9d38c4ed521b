"""sentence-transformers models as encoders: text only."""
