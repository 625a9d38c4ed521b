"""Neighbour lists as rows: made of what a join found, merged by owner, and freed of those that went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.notes import ArrowMap
from uninote.neighbours.merge_lists import best_of_groups

LISTS = ("item_key", "note_id", "neighbour_keys", "neighbour_ids", "scores", "whole")
_ROWS = 10_000  # of a batch


def lists_of(
    keys: np.ndarray, note_ids: pa.Array, rows: np.ndarray, found: tuple[np.ndarray, np.ndarray], searched: int
) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of `rows`, some of the items that met, in batches.

    `keys` int64 and `note_ids` are those of all that met; `found` (ids, scores), (rows, k), are positions among them, -1
    where a slot is free. The first `searched` of them met everything: theirs are whole, unless they are full.
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


def merge_lists(stored: Sequence[pa.RecordBatch], fresh: pa.Table, k: int) -> pa.Table:
    """Return LISTS in order of note_id, one for each owner: `stored` ones, merged with the `fresh` ones where there are any."""
    names = [*LISTS]
    old = pa.Table.from_batches(stored).select(names) if stored else fresh.slice(0, 0).select(names)
    touched = pc.is_in(old["item_key"], fresh["item_key"].combine_chunks())
    changed = pa.concat_tables([old.filter(touched), fresh.select(names)]).combine_chunks().sort_by("item_key")
    merged = [_merged(batch, k) for batch in changed.combine_chunks().to_batches() if len(batch)]
    rest = old.filter(pc.invert(touched))
    lists = pa.concat_tables([rest, *(pa.Table.from_batches([one]).cast(rest.schema) for one in merged)])
    return lists.take(pc.sort_indices(lists, sort_keys=[("note_id", "ascending")]))


def prune_lists(lists: pa.RecordBatch, gone: np.ndarray) -> pa.RecordBatch:
    """Return LISTS without the owners and the neighbours `gone`, int64 ascending."""
    stays = np.flatnonzero(~_among(lists.column("item_key").to_numpy(), gone))
    lists = lists.take(pa.array(stays)) if len(stays) < len(lists) else lists
    kept = ~_among(_flat(lists, "neighbour_keys"), gone)
    if kept.all():
        return lists.select([*LISTS])
    owners = np.repeat(np.arange(len(lists)), _lengths(lists))
    return _assembled(lists, np.arange(len(lists)), owners[kept], np.flatnonzero(kept), lists.column("whole"))


def make_look(gone: Callable[[], np.ndarray], k: int) -> ArrowMap:
    """Map LISTS, without the neighbours `gone`, to what a night must know of them: `item_key`, `limit` and `short`, as bytes.

    `limit`, float32, is what a new neighbour must exceed: a pruned list knows nothing of what comes after its last entry,
    so only better ones may enter; a whole list takes any. `short`, bool: fewer than `k` are left though more qualify.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            dropped = gone()
            stays = np.flatnonzero(~_among(batch.column("item_key").to_numpy(), dropped))
            lists = batch.take(pa.array(stays)) if len(stays) < len(batch) else batch
            kept, lengths = ~_among(_flat(lists, "neighbour_keys"), dropped), _lengths(lists)
            ends = np.cumsum(lengths)
            left = np.diff(np.concatenate([[0], np.cumsum(kept)])[np.concatenate([[0], ends])])
            scores = np.where(kept, _flat(lists, "scores"), np.float32(np.inf))
            last = np.minimum.reduceat(scores, (ends - lengths)[lengths > 0]) if len(scores) else scores
            limit = np.full(len(lists), -np.inf, np.float32)
            limit[lengths > 0] = last
            whole = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)
            limit[whole | (left == 0)] = -np.inf
            parts = (lists.column("item_key").to_numpy(), limit, ~whole & (left < k))
            yield pa.RecordBatch.from_arrays(
                [pa.array([part.tobytes()]) for part in parts], names=["item_key", "limit", "short"]
            )

    return run


def _among(keys: np.ndarray, gone: np.ndarray) -> np.ndarray:
    if not len(gone):
        return np.zeros(len(keys), dtype=bool)
    return np.asarray(gone[np.minimum(np.searchsorted(gone, keys), len(gone) - 1)] == keys)


def _merged(lists: pa.RecordBatch, k: int) -> pa.RecordBatch:
    keys = lists.column("item_key").to_numpy()
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    group = np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]]))
    owners = np.repeat(group, _lengths(lists))
    entries, _ = best_of_groups(owners, _flat(lists, "neighbour_keys"), _flat(lists, "scores"), k)
    whole = np.maximum.reduceat(lists.column("whole").to_numpy(zero_copy_only=False).astype(bool), first)
    return _assembled(lists, first, owners[entries], entries, pa.array(whole))


def _flat(lists: pa.RecordBatch, column: str) -> np.ndarray:
    return np.asarray(lists.column(column).flatten().to_numpy(zero_copy_only=False))


def _lengths(lists: pa.RecordBatch) -> np.ndarray:
    return np.asarray(lists.column("neighbour_keys").value_lengths().to_numpy(zero_copy_only=False))


def _assembled(
    lists: pa.RecordBatch, rows: np.ndarray, owners: np.ndarray, entries: np.ndarray, whole: pa.Array
) -> pa.RecordBatch:
    """Return LISTS of the item_keys and note_ids at `rows`, and of flat `entries`, each of the row in `owners`, ascending."""
    offsets = pa.array(np.searchsorted(owners, np.arange(len(rows) + 1)).astype(np.int32))
    flat = [lists.column(name).flatten().take(pa.array(entries)) for name in LISTS[2:5]]
    made = [pa.ListArray.from_arrays(offsets, column) for column in flat]
    owned = [lists.column(name).take(pa.array(rows)) for name in LISTS[:2]]
    return pa.RecordBatch.from_arrays([*owned, *made, whole], names=[*LISTS])
