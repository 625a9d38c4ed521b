"""Readers of JSON, CSV and Parquet: rows by column, each with its place in its file."""
