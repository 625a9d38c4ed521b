"""Vectors that somebody made elsewhere: where they lie, what their generation is called, and what is checked of each."""
