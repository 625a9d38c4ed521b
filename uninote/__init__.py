"""UniNote: embed notes on Spark, index the vectors, precompute every note's neighbours."""

__version__ = "0.1.0"
