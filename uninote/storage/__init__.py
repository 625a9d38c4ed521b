"""Files on this machine and in S3, by one set of functions."""
