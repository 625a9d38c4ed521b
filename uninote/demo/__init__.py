"""A made-up corpus of illustrated notes, for trying the whole system on a laptop."""
