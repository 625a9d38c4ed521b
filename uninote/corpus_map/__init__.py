"""A map of the corpus: the tree of semantic ids as branches that people can read, and how it moved since the last release."""
