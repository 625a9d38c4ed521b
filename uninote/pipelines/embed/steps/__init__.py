"""What a run of embed works with: the items that changed, chunks of them, the tasks of the model, and the counts of it all."""
