"""The gallery as its source has it: entries that are read like notes, and their parts embedded where they changed."""
