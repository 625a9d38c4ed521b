"""Which lists differ between two versions of a neighbour table, found by ranges of note_id, so that memory is bounded.

Files that are in both versions are not compared. What else there is is compared list by list, in Arrow's arrays: a night writes
nearly all files anew, so a change feed would name every note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from uninote.lake.delta_files import present_files
from uninote.lake.parquet_files import DataFile, footer_of, open_parquet
from uninote.lake.rows_by_id import NoteId

_COLUMNS = ("note_id", "neighbours")
_MOST_ROWS = 200_000  # of a file that is compared as one; larger ones are cut at their groups of rows
_SAMPLE_EVERY = 1_000


class TableVersion(NamedTuple):
    """A Delta table and one of its versions."""

    uri: str
    version: int


class Changes(NamedTuple):
    """What happened to the notes of one range.

    `changed` are rows (note_id, neighbours) that the older version lacks or has otherwise, `gone` the notes that the newer one
    lacks. `unchanged` counts the other rows of the newer one; `sample` has some of these.
    """

    changed: pa.Table
    gone: list[NoteId]
    unchanged: int
    sample: pa.Table


def compare(old: TableVersion | None, new: TableVersion | None) -> Iterator[Changes]:
    """Yield what changed from one version of a neighbour table to another, range by range; null is a table without rows.

    Raises DeltaFilesError where a version has deletion vectors, or files of it are gone, and DamagedFileError.
    """
    before = [] if old is None else present_files(old.uri, old.version)
    after = [] if new is None else present_files(new.uri, new.version)
    both = {file.path for file in before} & {file.path for file in after}
    for path in sorted(both):
        yield from _same_file(path)
    before = [file for file in before if file.path not in both]
    after = [file for file in after if file.path not in both]
    # By the newer version's files, each is read once; of the older one, each as often as it meets another range.
    for low, high in pairwise([None, *_cuts(after or before), None]):
        found = _differences(_rows(before, low, high), _rows(after, low, high))
        if found is not None:
            yield found


def _differences(old: pa.Table | None, new: pa.Table | None) -> Changes | None:
    """Return what changed between the rows of one range, null where a version has none there; null where both are."""
    if old is None:
        return None if new is None else Changes(new, [], 0, new.slice(0, 0))
    if new is None:
        return Changes(old.slice(0, 0), old["note_id"].to_pylist(), 0, old.slice(0, 0))
    # A note is in a version once.
    places = pc.index_in(new["note_id"], value_set=old["note_id"])
    known = np.flatnonzero(places.is_valid())
    ours = old.take(pc.drop_null(places))
    equal = _equal_lists(ours["neighbours"].combine_chunks(), new["neighbours"].take(known).combine_chunks())
    is_unchanged = np.zeros(len(new), dtype=bool)
    is_unchanged[known[equal]] = True
    gone = old.filter(pc.invert(pc.is_in(old["note_id"], value_set=new["note_id"])))["note_id"].to_pylist()
    same = np.flatnonzero(is_unchanged)
    return Changes(new.filter(pa.array(~is_unchanged)), gone, len(same), new.take(same[::_SAMPLE_EVERY]))


def _equal_lists(one: pa.Array, other: pa.Array) -> np.ndarray:
    """Return bool (n,): whether lists of neighbours hold the same ids and the same scores, to the last bit."""
    lengths = [lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False) for lists in (one, other)]
    equal = np.asarray(lengths[0] == lengths[1])
    ours, theirs = (lists.filter(pa.array(equal)).flatten() for lists in (one, other))
    differ = np.zeros(len(ours), dtype=bool)
    for field in ("note_id", "score"):
        differ |= pc.not_equal(ours.field(field), theirs.field(field)).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.flatnonzero(equal), lengths[0][equal])
    equal[owners[differ]] = False
    return equal


def _same_file(path: str) -> Iterator[Changes]:
    with open_parquet(path, by_batches=True) as file:
        for first in file.iter_batches(1, columns=list(_COLUMNS), use_threads=False):
            rows = _plain(pa.Table.from_batches([first]))
            yield Changes(rows.slice(0, 0), [], file.metadata.num_rows, rows)
            return


def _cuts(files: Sequence[DataFile]) -> list[Any]:
    """Return ids, ascending, between which ranges of at most some hundred thousand rows lie; not the lowest of all."""
    lows = set()
    for file in files:
        if file.low is not None:
            lows.add(file.low)
        if file.rows > _MOST_ROWS:
            footer = footer_of(file.path)
            for group in range(footer.num_row_groups):
                bounds = _bounds(footer, group)
                if bounds is not None:
                    lows.add(bounds[0])
    return sorted(lows)[1:]


def _rows(files: Sequence[DataFile], low: Any, high: Any) -> pa.Table | None:
    """Return the rows of a version with low <= note_id < high, null for no bound; null where there is none."""
    parts = []
    for file in files:
        if _meets((file.low, file.high), low, high):
            with open_parquet(file.path) as stored:
                groups = range(stored.num_row_groups)
                inside = [one for one in groups if _meets(_bounds(stored.metadata, one), low, high)]
                parts.append(_plain(stored.read_row_groups(inside, columns=list(_COLUMNS), use_threads=False)))
    if not parts:
        return None
    rows = pa.concat_tables(parts)
    for bound, keeps in ((low, pc.greater_equal), (high, pc.less)):
        if bound is not None:
            rows = rows.filter(keeps(rows["note_id"], bound))
    return rows if len(rows) else None


def _plain(rows: pa.Table) -> pa.Table:
    """Return rows with the types that lists are written with: files that deltalake wrote anew have views of strings."""
    kind = pa.int64() if pa.types.is_integer(rows.schema.field("note_id").type) else pa.string()
    entry = pa.struct([("note_id", kind), ("score", pa.float32())])
    return rows.select(_COLUMNS).cast(pa.schema([("note_id", kind), ("neighbours", pa.list_(entry))]))


def _meets(bounds: tuple[Any, Any] | None, low: Any, high: Any) -> bool:
    """Say whether rows within `bounds`, null where these are unknown, may lie in low <= note_id < high."""
    if bounds is None or bounds[0] is None:
        return True
    return (high is None or bounds[0] < high) and (low is None or bounds[1] >= low)


def _bounds(footer: pq.FileMetaData, group: int) -> tuple[Any, Any] | None:
    """Return the least and the greatest note_id of a group of rows; null where its footer does not say."""
    places = [one for one in range(footer.num_columns) if footer.schema.column(one).path == "note_id"]
    found = footer.row_group(group).column(places[0]).statistics if places else None
    return (found.min, found.max) if found is not None and found.has_min_max else None
