"""Training UniNote: examples out of notes, the training set on disk, losses, and the loop. Needs no Spark."""
