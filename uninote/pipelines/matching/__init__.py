"""Matches of notes with a gallery of samples: what is compared, what is found, and what is closed."""
