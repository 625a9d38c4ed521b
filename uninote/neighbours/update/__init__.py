"""The join of a few changed rows with all others."""
