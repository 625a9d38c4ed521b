"""Rows of tables read without Spark, which would plan longer than it takes where rows are a handful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from uninote.lake.delta_files import DeltaFilesError, columns_of, files_of, has_log
from uninote.lake.parquet_files import filled, open_parquet


def read_batches(uri: str, columns: Sequence[str], version: int | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, as of `version` or the newest, in batches, without Spark, checksums compared.

    What a file lacks, as one from before a column was added does, is null. Raises DeltaFilesError, as `files_of` does, and
    DamagedFileError.
    """
    # In this thread alone. A dataset of deltalake's reads in threads of Arrow, which call back into Python; one that still does
    # when the interpreter ends is cut off there, and C++ then ends the process: "terminate called without an active exception".
    schema = pa.schema(DeltaTable(uri, version=version, without_files=True).schema().to_arrow())
    wanted = pa.schema([schema.field(name) for name in columns])
    for file in files_of(uri, version):
        with open_parquet(file.path) as stored:
            there = [name for name in columns if name in stored.schema_arrow.names]
            for batch in stored.iter_batches(columns=there, use_threads=False):
                yield filled(batch, wanted)


def may_have_entries(uri: str, column: str) -> bool:
    """Say whether a row of a table may have an entry in a column of lists: of one with deletion vectors, nobody knows here.

    Raises DamagedFileError.
    """
    try:
        for batch in read_batches(uri, [column]):
            if pc.sum(pc.list_value_length(batch[column])).as_py():
                return True
    except DeltaFilesError:
        return True
    return False


def read_all(uri: str) -> list[dict[str, Any]]:
    """Return the rows of a small table; none where it has not been written yet."""
    if not has_log(uri):
        return []
    rows: list[dict[str, Any]] = []
    for batch in read_batches(uri, columns_of(uri)):
        rows += batch.to_pylist(maps_as_pydicts="strict")
    return rows
