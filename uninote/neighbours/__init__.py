"""The all-pairs join without Spark: the kernel, the cells it runs in, the merge of their results, and recall."""
