"""A note, and what makes it count as changed."""
