"""The Spark plans: the only part of the library that knows a SparkSession and the UDFs."""
