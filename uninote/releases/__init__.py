"""Reading releases: one consistent set of tables, lists and indexes, and what differs between two of them."""
