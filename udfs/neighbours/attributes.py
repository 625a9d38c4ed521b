"""Attributes of notes, which workers read themselves: to join them with vectors, Spark would have to move both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap
from uninote.lake.parquet_files import read_columns

FRESH = "yes"
_UPDATED_AT = "updated_at"
_TIME = pa.timestamp("us")


@dataclass(frozen=True)
class AttributeColumns:
    """The attributes `names`, in the `files` of notes.

    Those in `oldest` are no columns: they are FRESH for notes updated at or after that time, and null for others.
    """

    files: Sequence[str]
    names: Sequence[str]
    oldest: Mapping[str, datetime]


class NoteAttributes:
    """The attributes of all notes, read when they are first asked for: one pass over a few columns."""

    def __init__(self, columns: AttributeColumns) -> None:
        self._columns = columns

    def of(self, note_ids: pa.Array) -> list[pa.Array]:
        """Return a column of strings for each attribute of some notes, null where a note is not there."""
        places = self._index.get_indexer(pd.Index(_as_numpy(note_ids)))
        rows = pa.array(places, mask=places < 0)
        return [self._values[name].take(rows).combine_chunks() for name in self._columns.names]

    @cached_property
    def _notes(self) -> pa.Table:
        wanted = [name for name in self._columns.names if name not in self._columns.oldest]
        times = [_UPDATED_AT] if self._columns.oldest else []
        tables = [read_columns(path, ["note_id", *wanted, *times]) for path in self._columns.files]
        # Files that Spark wrote say that everything may be null, others do not: "default" takes both.
        return pa.concat_tables(tables, promote_options="default")

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(_as_numpy(self._notes["note_id"]))

    @cached_property
    def _values(self) -> dict[str, pa.ChunkedArray]:
        values = {}
        for name in self._columns.names:
            oldest = self._columns.oldest.get(name)
            values[name] = self._notes[name] if oldest is None else _fresh(self._notes[_UPDATED_AT], oldest)
        return values


def make_with_attributes(columns: AttributeColumns) -> ArrowMap:
    """Map rows with a note_id to the same rows with a column for each attribute after theirs."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        notes = NoteAttributes(columns)
        for batch in batches:
            if len(batch):
                arrays = [*batch.columns, *notes.of(batch.column("note_id"))]
                yield pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, *columns.names])

    return run


def _fresh(times: pa.ChunkedArray, oldest: datetime) -> pa.ChunkedArray:
    """Return FRESH where a time, in UTC, is at or after `oldest`, else null."""
    limit = pa.scalar(oldest.astimezone(UTC).replace(tzinfo=None), _TIME)
    return pc.if_else(pc.greater_equal(times.cast(_TIME), limit), pa.scalar(FRESH), pa.scalar(None, pa.string()))


def _as_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return np.asarray(column.to_numpy(zero_copy_only=False))
