"""`python -m uninote.search`: look into an index from a terminal."""
