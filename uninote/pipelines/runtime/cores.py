"""How many cores a session has."""

from __future__ import annotations

from pyspark.sql import SparkSession

_GIVEN = "spark.default.parallelism"


def cores_of(spark: SparkSession) -> int | None:
    """Return the cores of all executors that there are now; null where a setting takes the place of their number."""
    context = spark.sparkContext
    # Spark's default parallelism is that number, unless somebody set it.
    return None if context.getConf().contains(_GIVEN) else int(context.defaultParallelism)
