"""The settings: every key with its default and rule, and how a file and `--set` become them."""
