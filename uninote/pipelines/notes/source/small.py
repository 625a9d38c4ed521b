"""A small source compared with the notes in this process: for some ten thousand rows Spark plans longer than it takes to look.

Whatever is not plain is left to Spark, errors included: images, rows that are none, ids that repeat, another program's table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.notes.source_rows import Piece, make_rows
from uninote.lake.delta_files import DeltaFilesError, columns_of, files_of, has_log
from uninote.lake.rewriting import can_apply
from uninote.lake.row_changes import DELETED, MOST_BYTES, MOST_ROWS, RowChanges
from uninote.lake.small_tables import read_batches
from uninote.notes.ingest.known_columns import KnownColumns
from uninote.notes.ingest.note_rows import FILE, LINES, REASON, TIME_UNREADABLE
from uninote.pipelines.notes.source.rows import InspectedSource

MOST_READ = 50_000  # rows of a source, which are Python objects one after the other
MOST_HELD = 128 << 20  # bytes of its rows, and of the notes' files
_IMAGES = "images"


@dataclass(frozen=True)
class Comparison:
    """What a source changes in the notes. `changes` has their columns and DELETED; `stored` is how many there were.

    `columns`: see InspectedSource.
    """

    changes: pa.Table
    counts: dict[str, int]
    rows: int
    times_unreadable: int
    stored: int
    columns: KnownColumns | None = None

    def apply(self, uri: str) -> None:
        """Commit the changes to the notes at `uri`, if there are any."""
        if len(self.changes):
            RowChanges(uri, self.changes, ["note_id"]).apply()


def compare(inspected: InspectedSource, uri: str) -> Comparison | None:
    """Compare all rows of a source with the notes at `uri`; null where that is Spark's work."""
    if not _is_small(inspected, uri):
        return None
    read = _read(inspected)
    if read is None or read[REASON].null_count < len(read):
        return None
    inspected.inspection.check(_account(read))
    names = columns_of(uri)
    new = read.select(names)
    old = pa.Table.from_batches(read_batches(uri, names))
    if not _identifies(new["note_id"]) or old.schema.field("note_id").type != new.schema.field("note_id").type:
        return None
    changes, counts = _changes(old, new.cast(old.schema))
    if len(changes) > MOST_ROWS or (len(changes) and RowChanges(uri, changes, ["note_id"]).touched_bytes > MOST_BYTES):
        return None
    return Comparison(
        changes, counts, len(read), pc.sum(read[TIME_UNREADABLE]).as_py() or 0, len(old), inspected.columns
    )


def _is_small(inspected: InspectedSource, uri: str) -> bool:
    """Say whether source and notes are few plain rows, as far as footers, counts and the table's log tell."""
    inspection = inspected.inspection
    is_plain = inspection.table is None and _IMAGES not in inspected.mapping and has_log(uri)
    if not is_plain or inspection.num_expected > MOST_READ or not can_apply(uri):
        return False
    if sorted(columns_of(uri)) != sorted(name for name in inspected.reading.schema.names if not name.startswith("_")):
        return False
    try:
        files = files_of(uri)
    except DeltaFilesError:
        return False
    stored = sum(file.rows for file in files)
    return 0 < stored <= MOST_READ and sum(file.size for file in files) <= MOST_HELD


def _read(inspected: InspectedSource) -> pa.Table | None:
    """Return the rows of all pieces, null where they are more than this process is to hold."""
    reading = inspected.reading
    batches = []
    rows = held = 0
    for batch in make_rows(inspected.inspection.pieces, reading)(_numbers(inspected.inspection.pieces)):
        batches.append(batch)
        rows += len(batch)
        held += batch.nbytes
        if rows > MOST_READ or held > MOST_HELD:
            return None
    return pa.Table.from_batches(batches, reading.schema)


def _numbers(pieces: Sequence[Piece]) -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pydict({"id": pa.array(range(len(pieces)), pa.int64())})


def _account(read: pa.Table) -> dict[int, tuple[int, int]]:
    """Return file -> (rows, lines)."""
    found = {}
    for row in read.group_by(FILE).aggregate([(LINES, "sum"), ([], "count_all")]).to_pylist():
        found[row[FILE]] = (row["count_all"], row[f"{LINES}_sum"])
    return found


def _identifies(ids: pa.ChunkedArray) -> bool:
    return bool(ids.null_count == 0 and pc.count_distinct(ids).as_py() == len(ids))


def _changes(old: pa.Table, new: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows to upsert or remove, and how many are inserted, updated and deleted."""
    place = pc.index_in(new["note_id"], old["note_id"].combine_chunks())
    is_new = np.asarray(place.is_null())
    known = np.flatnonzero(~is_new)
    at = place.filter(place.is_valid()).combine_chunks().to_numpy()
    updated = known[_differs(old.take(at), new.take(known))]
    gone = np.setdiff1d(np.arange(len(old)), at)
    inserted = np.flatnonzero(is_new)
    changed = new.take(np.concatenate([inserted, updated]))
    changes = pa.concat_tables([changed, old.take(gone)])
    is_deleted = np.arange(len(changes)) >= len(changed)
    counts = {"inserted": len(inserted), "updated": len(updated), "deleted": len(gone)}
    return changes.append_column(DELETED, pa.array(is_deleted)), counts


def _differs(old: pa.Table, new: pa.Table) -> np.ndarray:
    """Return for each row whether it says something else, bool; two nulls are the same."""
    differs = np.zeros(len(old), bool)
    for name in old.column_names:
        before, after = old[name], new[name]
        if pa.types.is_nested(before.type):
            # Arrow compares no lists.
            same = np.array(
                [one == other for one, other in zip(before.to_pylist(), after.to_pylist(), strict=True)], bool
            )
        else:
            is_equal = pc.fill_null(pc.equal(before, after), False)
            same = np.asarray(pc.or_(is_equal, pc.and_(before.is_null(), after.is_null())))
        differs |= ~same
    return differs
