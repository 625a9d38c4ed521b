"""Releases of a lake: which versions of its tables and indexes belong together, and which release readers see."""
