"""Rows of a table found by note_id: only the groups of rows are read whose bounds hold one that is asked for.

Not by Arrow's datasets: those compare ids with what a file says it holds, and files that deltalake rewrote say that they hold
views of strings, which Arrow compares with nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import DataFile, filled, open_parquet

NoteId = str | int
_KEY = "note_id"


class RowsById:
    """The `columns`, `note_id` among them, of one version of a table; its list of files is read once. None: the newest version.

    Raises DeltaFilesError where the table has deletion vectors, and what deltalake raises where the version is not to be had.
    """

    def __init__(self, uri: str, version: int | None, columns: Sequence[str]) -> None:
        stored = pa.schema(DeltaTable(uri, version=version, without_files=True).schema().to_arrow())
        self._schema = pa.schema([stored.field(name) for name in columns])
        self._files = files_of(uri, version)

    @property
    def kind(self) -> pa.DataType:
        """The type of note_id."""
        return self._schema.field(_KEY).type

    def find(self, note_ids: Sequence[NoteId]) -> pa.Table:
        """Return the rows whose note_id is one of these, in no order. Raises DamagedFileError."""
        wanted = sorted(set(note_ids))
        rows = self._read([(one, one) for one in wanted])
        return rows.filter(pc.is_in(rows[_KEY], pa.array(wanted, self.kind)))

    def near(self, ranges: Sequence[tuple[NoteId, NoteId]]) -> pa.Table:
        """Return all rows whose note_id is in one of these ranges, ends included, and others. Raises DamagedFileError."""
        return self._read(sorted(ranges))

    def _read(self, ranges: Sequence[tuple[NoteId, NoteId]]) -> pa.Table:
        found = [self._schema.empty_table()]
        for file in self._files:
            if _meets(ranges, file.low, file.high):
                found += self._groups(file, ranges)
        return pa.concat_tables(found)

    def _groups(self, file: DataFile, ranges: Sequence[tuple[NoteId, NoteId]]) -> Iterator[pa.Table]:
        names = self._schema.names
        with open_parquet(file.path) as stored:
            column = stored.schema_arrow.names.index(_KEY)
            for number in range(stored.num_row_groups):
                if _meets(ranges, *_bounds(stored.metadata.row_group(number).column(column).statistics)):
                    yield filled(stored.read_row_group(number, columns=names), self._schema)


def _bounds(statistics: Any) -> tuple[Any, Any]:
    """Return the ends that a group of rows says its ids lie between; null where it does not say."""
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else (None, None)


def _meets(ranges: Sequence[tuple[NoteId, NoteId]], low: Any, high: Any) -> bool:
    """Say whether one of the ranges, in order and apart from each other, may hold something between `low` and `high`."""
    if low is None or high is None:
        return bool(ranges)
    place = bisect_left(ranges, low, key=lambda one: one[1])
    return place < len(ranges) and bool(ranges[place][0] <= high)
