"""What runs inside executors: `make_*` factories around plain functions over Arrow batches."""
