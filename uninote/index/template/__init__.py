"""What an index learns once, before any vector is added: centroids, codebooks, rotation, and cells of lists."""
