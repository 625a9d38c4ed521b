"""Neighbour lists as rows: made of what a join found, merged by owner, and freed of those that went."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from udfs.notes import ArrowMap
from uninote.neighbours.merge_lists import best_of_groups

LISTS = ("item_key", "note_id", "neighbour_keys", "neighbour_ids", "scores", "whole")
_ROWS = 10_000  # of a batch


def lists_of(
    keys: np.ndarray, note_ids: pa.Array, rows: np.ndarray, found: tuple[np.ndarray, np.ndarray], searched: int
) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of `rows`, some of the items that met, in batches.

    `keys` int64 and `note_ids` are those of all that met; `found` (ids, scores), (rows, k), are positions among them, -1
    where a slot is free. The first `searched` of them met everything: theirs are whole, until a merge finds them full.
    """
    ids, scores = found
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        held = ids[part] >= 0
        positions = ids[part][held]
        offsets = pa.array(np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int32))
        columns = (pa.array(keys[positions]), note_ids.take(pa.array(positions)), pa.array(scores[part][held]))
        lists = [pa.ListArray.from_arrays(offsets, column) for column in columns]
        owners = pa.array(rows[part])
        owned = [pa.array(keys[rows[part]]), note_ids.take(owners)]
        yield pa.RecordBatch.from_arrays([*owned, *lists, pa.array(rows[part] < searched)], names=[*LISTS])


def make_merge(k: int) -> ArrowMap:
    """Merge the adjacent lists of each item_key into its best `k`. Rows, LISTS, come sorted by item_key."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for lists in _whole_groups(batches):
            yield _merged(lists, k)

    return run


def make_prune(dropped: Callable[[], np.ndarray]) -> ArrowMap:
    """Map LISTS to the same without the neighbours `dropped`, sorted int64."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        gone = dropped()
        for batch in batches:
            keys = _flat(batch, "neighbour_keys")
            place = np.minimum(np.searchsorted(gone, keys), max(0, len(gone) - 1))
            kept = gone[place] != keys if len(gone) else np.ones(len(keys), dtype=bool)
            lengths = batch.column("neighbour_keys").value_lengths().to_numpy(zero_copy_only=False)
            owners = np.repeat(np.arange(len(batch)), lengths)
            yield _assembled(batch, np.arange(len(batch)), owners[kept], np.flatnonzero(kept), batch.column("whole"))

    return run


def _merged(lists: pa.RecordBatch, k: int) -> pa.RecordBatch:
    keys = lists.column("item_key").to_numpy()
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    group = np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]]))
    lengths = lists.column("neighbour_keys").value_lengths().to_numpy(zero_copy_only=False)
    owners = np.repeat(group, lengths)
    entries, _ = best_of_groups(owners, _flat(lists, "neighbour_keys"), _flat(lists, "scores"), k)
    whole = np.maximum.reduceat(lists.column("whole").to_numpy(zero_copy_only=False).astype(bool), first)
    full = np.bincount(owners[entries], minlength=len(first)) >= k
    return _assembled(lists, first, owners[entries], entries, pa.array(whole & ~full))


def _flat(lists: pa.RecordBatch, column: str) -> np.ndarray:
    return np.asarray(lists.column(column).flatten().to_numpy(zero_copy_only=False))


def _assembled(
    lists: pa.RecordBatch, rows: np.ndarray, owners: np.ndarray, entries: np.ndarray, whole: pa.Array
) -> pa.RecordBatch:
    """Return LISTS of the item_keys and note_ids at `rows`, and of flat `entries`, each of the row in `owners`, ascending."""
    offsets = pa.array(np.searchsorted(owners, np.arange(len(rows) + 1)).astype(np.int32))
    flat = [lists.column(name).flatten().take(pa.array(entries)) for name in LISTS[2:5]]
    made = [pa.ListArray.from_arrays(offsets, column) for column in flat]
    owned = [lists.column(name).take(pa.array(rows)) for name in LISTS[:2]]
    return pa.RecordBatch.from_arrays([*owned, *made, whole], names=[*LISTS])


def _whole_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut the stream so that the rows of a key are not torn apart."""
    rest: pa.RecordBatch | None = None
    for batch in batches:
        if not len(batch):
            continue
        joined = batch if rest is None else pa.concat_batches([rest, batch])
        keys = joined.column("item_key").to_numpy()
        whole = int(np.searchsorted(keys, keys[-1]))
        rest = joined.slice(whole)
        if whole:
            yield joined.slice(0, whole)
    if rest is not None:
        yield rest
