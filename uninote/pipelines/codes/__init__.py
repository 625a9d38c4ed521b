"""Codes of notes: a codebook fitted to a sample, every note coded by it, and ids that stay."""
