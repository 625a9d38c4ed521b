"""What executors run to match items with a gallery."""
