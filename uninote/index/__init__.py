"""The IVF-PQ index: its shards, which note each key is, and search over them."""
