"""The vector instructions that the kernel spends its time in."""
