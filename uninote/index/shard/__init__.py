"""One shard: its lists in a file that plain FAISS reads, which note each row is, and the vectors to rank again by."""
