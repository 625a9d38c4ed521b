"""What every job needs of its process: a session, progress, signals, and errors in one sentence."""
