"""The map of a corpus, collected: its sizes and labels are counted by executors, and the driver gets branches, not notes."""
