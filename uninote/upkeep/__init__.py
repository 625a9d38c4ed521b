"""Keeping a lake in order without Spark: who may write, which releases and files are kept, which go."""
