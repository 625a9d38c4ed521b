"""One writer at a time: who may commit to a lake, and how a run that may not any more is kept from it."""
