"""What a join gives: lists and pairs of neighbours, one list out of several, and how far it has come."""
