"""The Spark session, with the reason beside every setting."""

from __future__ import annotations

from pyspark.sql import SparkSession

from uninote.errors import UninoteError
from uninote.install import has_delta, spark_home

SETTINGS = {
    # A worker that is kept keeps its model; without reuse every task would load it again.
    "spark.python.worker.reuse": "true",
    "spark.sql.session.timeZone": "UTC",
    # Rows with long texts and wide vectors: a batch is bounded by bytes too, or one batch could fill a worker's memory.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
    # Rows are decoded so many at once, whatever they weigh: of a table of images 4096 would be a gigabyte.
    "spark.sql.parquet.columnarReaderBatchSize": "512",
    # Statistics on vectors cost time on write and never prune anything; the key columns come first in every table.
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "4",
    # Published tables are read by libraries that refuse deletion vectors.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    # A float vector has hardly two equal values; dictionaries are tried, dropped, and cost a pass.
    "parquet.enable.dictionary#vector.list.element": "false",
}


def open_session(app_name: str, settings: dict[str, str]) -> SparkSession:
    """Return the session, made on first use; `settings` come after the project's own.

    Raises UninoteError when Delta's jars are not where Spark looks.
    """
    builder = SparkSession.builder.appName(f"uninote {app_name}")
    for name, value in {**SETTINGS, **settings}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    if not spark.conf.get("spark.sql.extensions", "").startswith("io.delta"):  # type: ignore[union-attr]
        raise UninoteError(_no_delta())
    return spark


def _no_delta() -> str:
    home = spark_home()
    state = "its jars are there, but" if has_delta(home) else "its jars are missing and"
    return (
        f"this Spark does not know Delta: {state} spark-defaults.conf does not enable it. Run: "
        f"python -m uninote.install (for the Spark in {home}), or give your own Spark the settings in conf/spark-defaults.conf"
    )
