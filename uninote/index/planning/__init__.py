"""The layout of an index of so many vectors, chosen within budgets: arithmetic only, no data."""
