"""Rows that tasks read from the files of tables themselves; of small files, this process does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from udfs.arrow import ArrowMap
from udfs.table_files import Read, over_files
from uninote.lake.parquet_files import DataFile
from uninote.pipelines.lake.run import Run
from uninote.vectors.kmeans import threads_unchanged

_TASK_BYTES = 256 << 20  # of the files that one task reads
_SMALL_BYTES = 16 << 20
Value = TypeVar("Value")


def is_small(files: Sequence[DataFile]) -> bool:
    """Say whether this process reads some files sooner than Spark plans a job for it."""
    return sum(file.size for file in files) <= _SMALL_BYTES


@contextmanager
def shared(run: Run, files: Sequence[DataFile], value: Value) -> Iterator[Callable[[], Value]]:
    """Yield a function that returns `value` wherever these files are read: in tasks out of a broadcast."""
    if is_small(files):
        yield lambda: value
        return
    broadcast = run.spark.sparkContext.broadcast(value)
    try:
        yield lambda: broadcast.value
    finally:
        broadcast.destroy()


@dataclass(frozen=True)
class FileRows:
    """The rows that `read` finds in some files of tables: what workers read themselves, without Spark's reader."""

    run: Run
    files: Sequence[DataFile]
    read: Read

    def collect(self, function: ArrowMap, schema: StructType) -> pa.Table:
        """Return what `function` makes of all rows, read by tasks, or in this process where the files are small.

        A job takes a third of a second even for a handful of rows, and a run of all stages asks two dozen times.
        """
        if not is_small(self.files):
            return self.scan(function, schema).toArrow()
        numbers = pa.record_batch({"id": np.arange(len(self.files))})
        with threads_unchanged():
            made = list(over_files(function, self.read, [file.path for file in self.files])(iter([numbers])))
        return pa.Table.from_batches(made) if made else to_arrow_schema(schema, timezone="UTC").empty_table()

    def scan(self, function: ArrowMap, schema: StructType, parts: int | None = None) -> DataFrame:
        """Return what `function` makes of the rows, in `parts` tasks or as many as suit the sizes of the files."""
        files = self.files
        if parts is None:
            cores = self.run.spark.sparkContext.defaultParallelism
            filled = sum(file.size for file in files) // _TASK_BYTES
            parts = max(1, min(len(files), max(cores, filled)))
        # Spark moves the files' numbers alone; a task finds the rows by them.
        numbers = self.run.spark.range(0, len(files), 1, parts)
        return numbers.mapInArrow(over_files(function, self.read, [file.path for file in files]), schema)
