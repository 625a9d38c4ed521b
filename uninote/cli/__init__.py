"""`uninote`: what a lake holds and how it is, from a terminal, without Spark."""
