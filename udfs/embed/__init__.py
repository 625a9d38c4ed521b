"""Executor side of the embed stage."""
