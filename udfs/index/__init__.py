"""Executor side of the index stage and of search."""
