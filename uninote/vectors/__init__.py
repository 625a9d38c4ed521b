"""What is done to vectors alone: narrowing, k-means, samples by key."""
