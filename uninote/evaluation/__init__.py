"""How well an encoder retrieves: metrics by strategy and width, and baselines to hold them against."""
