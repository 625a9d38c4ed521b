"""What of a note a model reads: its text, and what is cut."""
