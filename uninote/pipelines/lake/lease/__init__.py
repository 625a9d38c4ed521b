"""A job's right to write to a lake, and what keeps a run that lost it from writing."""
