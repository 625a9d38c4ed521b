"""What stops a run of embed that would do harm: too much computed again, a model that moved, vectors that say nothing."""
