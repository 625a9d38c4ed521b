"""How many cores a session has."""

from __future__ import annotations

from pyspark.sql import SparkSession

_GIVEN = "spark.default.parallelism"


def cores_of(spark: SparkSession | None) -> int | None:
    """Return the cores of all executors that there are now; null without a session, or where a setting replaces that."""
    if spark is None:
        return None
    context = spark.sparkContext
    # Spark's default parallelism is that number, unless somebody set it.
    return None if context.getConf().contains(_GIVEN) else int(context.defaultParallelism)
