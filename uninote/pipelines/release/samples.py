"""Lists of a neighbour table, drawn at random, read without Spark from a few groups of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import footer_of, open_parquet
from uninote.lake.rows_by_id import RowsById

NoteId = str | int
Lists = Mapping[NoteId, tuple[NoteId, ...]]
_COLUMNS = ["note_id", "neighbours"]
_MOST_GROUPS = 64  # of rows that are read: a sample of single rows would read all of a large table


@dataclass(frozen=True)
class Sample:
    """The `lists` drawn, note -> neighbours, best first; the `bounds` of the groups of rows they were drawn from."""

    lists: Lists
    bounds: tuple[tuple[NoteId, NoteId], ...]


def draw(uri: str, version: int, count: int, seed: int) -> Sample:
    """Return about `count` lists of a version of a table, of at most 64 groups of rows drawn by their number of rows.

    Tables are ordered by note_id, which says nothing of what a note is about: lists of one group are taken for independent.
    """
    random = np.random.default_rng(seed)
    stored = pa.schema(DeltaTable(uri, version=version, without_files=True).schema().to_arrow())
    columns = pa.schema([stored.field(name) for name in _COLUMNS])
    groups = []
    for file in files_of(uri, version):
        footer = footer_of(file.path)
        groups += [(file.path, number, footer.row_group(number).num_rows) for number in range(footer.num_row_groups)]
    sizes = np.array([rows for _, _, rows in groups], float)
    if not sizes.sum():
        return Sample({}, ())
    drawn = np.arange(len(groups))
    if len(groups) > _MOST_GROUPS:
        drawn = random.choice(len(groups), _MOST_GROUPS, replace=False, p=sizes / sizes.sum())
    share = min(1.0, count / sizes[drawn].sum())
    lists: dict[NoteId, tuple[NoteId, ...]] = {}
    bounds = []
    for place in sorted(drawn.tolist()):
        path, number, rows = groups[place]
        with open_parquet(path) as file:
            # Files that deltalake wrote say that they have views of strings, which few of Arrow's functions take.
            group = file.read_row_group(number, columns=_COLUMNS).cast(columns)
        ends = pc.min_max(group["note_id"]).as_py()
        bounds.append((ends["min"], ends["max"]))
        wanted = max(1, round(share * rows))
        lists |= _lists(group.take(pa.array(np.sort(random.choice(rows, wanted, replace=False)))))
    return Sample(lists, tuple(bounds))


def lists_of(uri: str, version: int, sample: Sample) -> Lists:
    """Return the lists that a version of a table has of the sample's notes; those that it has none of are missing."""
    rows = RowsById(uri, version, _COLUMNS).near(sample.bounds)
    wanted = pc.is_in(rows["note_id"], pa.array(list(sample.lists), rows["note_id"].type))
    return _lists(rows.filter(wanted))


def _lists(rows: pa.Table) -> dict[NoteId, tuple[NoteId, ...]]:
    found = {}
    for note, neighbours in zip(rows["note_id"].to_pylist(), rows["neighbours"].to_pylist(), strict=True):
        found[note] = tuple(one["note_id"] for one in neighbours)
    return found


def occurrences(lists: Iterable[tuple[NoteId, ...]]) -> dict[NoteId, int]:
    """Return in how many of these lists each note stands."""
    counts: dict[Any, int] = {}
    for entries in lists:
        for note in entries:
            counts[note] = counts.get(note, 0) + 1
    return counts
