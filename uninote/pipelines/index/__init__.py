"""The index stage, and search over what it publishes."""
