"""The source of notes: which it is, what is wrong with its rows, and rows as notes."""
