"""The training set: from notes to examples, checked and written."""
