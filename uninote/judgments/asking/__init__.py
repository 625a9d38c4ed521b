"""Asking people about pairs: in the terminal, or by a page for the browser."""
