"""What executors run for the map of a corpus."""
