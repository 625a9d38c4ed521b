"""The join of the rows that changed with all others."""
