"""`python -m uninote.install`: make this environment's Spark ready."""
