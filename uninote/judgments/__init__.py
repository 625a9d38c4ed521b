"""What people said of pairs of notes: stored, imported, drawn and asked for."""
