"""A process that appends rows to one Delta table, a commit each: python committer.py ENGINE TABLE FIRST COUNT JARS.

It prints "ready" when its engine is up, and starts when a line comes on its standard input; other processes append meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pyarrow as pa
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from uninote.config.store_settings import store_settings
from uninote.pipelines.runtime.session import open_session
from uninote.storage.types import S3Options

Append = Callable[[str, int], None]


def by_deltalake(_: str) -> Append:
    """Return what appends one row with Delta's Rust library."""

    def append(table: str, value: int) -> None:
        while True:
            try:
                return write_deltalake(table, pa.table({"value": pa.array([value], pa.int64())}), mode="append")
            except CommitFailedError:
                continue  # beaten too often in a row

    return append


def by_spark(jars: str) -> Append:
    """Return what appends one row with Spark."""
    settings = {
        "spark.jars": jars,
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "900m",
    }
    settings |= {"spark.sql.shuffle.partitions": "1", "spark.databricks.delta.snapshotPartitions": "1"}
    spark = open_session("race", store_settings(["s3a://"], S3Options()) | settings)

    def append(table: str, value: int) -> None:
        spark.range(value, value + 1, 1, 1).toDF("value").write.format("delta").mode("append").save(table)

    return append


def main(engine: str, table: str, first: str, count: str, jars: str) -> None:
    """Append the rows `first`, `first` + 1 and so on."""
    append = {"spark": by_spark, "deltalake": by_deltalake}[engine](jars)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for value in range(int(first), int(first) + int(count)):
        append(table, value)


if __name__ == "__main__":
    main(*sys.argv[1:])
