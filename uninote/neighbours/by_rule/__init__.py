"""Rules: which pairs a table of neighbours admits, and the joins that obey them."""
