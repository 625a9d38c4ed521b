"""Notes into tensors: a note's parts in order, its texts as tokens, its images as patches, and what fits."""
