"""The lake without Spark: its paths, its tables' columns, and the data files behind them."""
