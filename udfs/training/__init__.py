"""Executor side of the training jobs."""
