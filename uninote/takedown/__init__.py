"""What a lake still holds of a note: every format decoded, every place named."""
