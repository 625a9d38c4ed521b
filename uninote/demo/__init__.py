"""A made-up corpus of illustrated notes, for trying all jobs on a laptop."""
