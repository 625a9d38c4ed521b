"""Executor side of the neighbours stage."""
