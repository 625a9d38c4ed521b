"""The IVF-PQ index: its plan, its trained template, its shard files, its manifest, and search over them."""
