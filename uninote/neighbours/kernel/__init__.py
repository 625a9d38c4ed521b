"""The kernel: the best K of each row among rows in memory, on one thread."""
