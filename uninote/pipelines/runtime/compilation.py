"""Whether Spark compiles its queries, which costs more than it saves where few rows go through them."""

from __future__ import annotations

from pyspark.sql import SparkSession

# Compiling a query's own code takes tenths of a second of a core, in each of a hundred queries of a run; interpreting a row
# takes some microseconds more. An ingest of 3,000 notes took 27.0 CPU-seconds of the JVM so, and 30.5 compiled.
INTERPRETED_ROWS = 100_000

_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
_COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}


def compile_for(spark: SparkSession, rows: int) -> None:
    """Compile the queries of a corpus of so many rows, or interpret them; what the session was configured with stays."""
    configured = spark.sparkContext.getConf()
    for name, value in (_INTERPRETED if rows < INTERPRETED_ROWS else _COMPILED).items():
        if not configured.contains(name):
            spark.conf.set(name, value)
