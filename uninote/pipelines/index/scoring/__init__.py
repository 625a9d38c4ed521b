"""Scoring what an index found by stored vectors: of another width, by the parts of a query, or by the items of a note."""
