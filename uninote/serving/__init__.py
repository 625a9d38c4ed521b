"""Neighbour lists in an online store: what a release holds, pushed night by night, and read in microseconds. No Spark."""
