"""The lake through Spark: tables, ledger, snapshot, and the run that writes to them."""
