"""Executor side of the ingest stage."""
