"""Neighbour lists as rows: made of what a join found, merged by owner, and freed of those that went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.notes import ArrowMap
from uninote.neighbours.merge_lists import FlatLists, merge_groups

LISTS = ("item_key", "note_id", "neighbour_keys", "neighbour_ids", "scores", "whole")
_ROWS = 10_000  # of a batch
_TABLE = 64  # bytes a key that a table of all keys may take


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


def lists_of_pairs(
    keys: np.ndarray, note_ids: pa.Array, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], searched: int
) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of the owners in `pairs`: (owners, others, scores), flat, grouped by owner, best first.

    The rest as for `lists_of`.
    """
    owners, others, scores = pairs
    first = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]])[: len(owners)])
    ends = np.append(first, len(owners))
    for start in range(0, len(first), _ROWS):
        rows, bounds = owners[first[start : start + _ROWS]], ends[start : start + _ROWS + 1]
        entries = slice(bounds[0], bounds[-1])
        offsets, positions = pa.array((bounds - bounds[0]).astype(np.int32)), others[entries]
        columns = (pa.array(keys[positions]), note_ids.take(pa.array(positions)), pa.array(scores[entries]))
        lists = [pa.ListArray.from_arrays(offsets, column) for column in columns]
        owned = [pa.array(keys[rows]), note_ids.take(pa.array(rows))]
        yield pa.RecordBatch.from_arrays([*owned, *lists, pa.array(rows < searched)], names=[*LISTS])


def merge_lists(
    stored: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch], gone: np.ndarray, k: int
) -> pa.RecordBatch:
    """Return LISTS in order of note_id, one for each owner: `stored` ones, merged with what was `found` anew of some.

    Owners and neighbours of stored lists that are `gone`, int64 ascending, are left out. One of both may be empty.
    """
    tables = [pa.Table.from_batches(lists).select([*LISTS]) for lists in (stored, found) if lists]
    joined = pa.concat_tables([table.cast(tables[0].schema) for table in tables]).combine_chunks()
    lists, older = joined.to_batches()[0], sum(map(len, stored))
    keys, starts = _flat(lists, "neighbour_keys"), np.concatenate([[0], np.cumsum(_lengths(lists))])
    kept, stays = np.ones(len(keys), bool), np.ones(len(lists), bool)
    kept[: starts[older]] = ~among(keys[: starts[older]], gone)
    stays[:older] = ~among(lists.column("item_key").to_numpy()[:older], gone)
    order = pc.sort_indices(lists.column("note_id")).to_numpy()
    order = order[stays[order]]
    owners = lists.column("item_key").to_numpy()[order]
    bounds = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1], [True]])[: len(owners) + 1])
    entries, offsets = merge_groups(FlatLists(starts, keys, _flat(lists, "scores"), kept), order, bounds, k)
    whole = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)[order]
    whole = np.logical_or.reduceat(whole, bounds[:-1]) if len(order) else whole
    owned = [lists.column(name).take(pa.array(order[bounds[:-1]])) for name in LISTS[:2]]
    flat = [lists.column(name).flatten().take(pa.array(entries)) for name in LISTS[2:5]]
    made = [pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), column) for column in flat]
    return pa.RecordBatch.from_arrays([*owned, *made, pa.array(whole)], names=[*LISTS])


def make_look(gone: Callable[[], np.ndarray], k: int) -> ArrowMap:
    """Map LISTS, without the neighbours `gone`, to what a night must know of them: `item_key`, `limit` and `short`, as bytes.

    `limit`, float32, is what a new neighbour must exceed: a pruned list knows nothing of what comes after its last entry,
    so only better ones may enter; a whole list takes any. `short`, bool: fewer than `k` are left though more qualify.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            dropped = gone()
            stays = np.flatnonzero(~among(batch.column("item_key").to_numpy(), dropped))
            lists = batch.take(pa.array(stays)) if len(stays) < len(batch) else batch
            kept, lengths = ~among(_flat(lists, "neighbour_keys"), dropped), _lengths(lists)
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


def among(keys: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `keys` are among `gone`, int64 ascending."""
    if not len(gone):
        return np.zeros(len(keys), dtype=bool)
    if gone[-1] - gone[0] < _TABLE * len(keys):  # one look each, where searching takes a dozen
        return np.isin(keys, gone, kind="table")
    return np.asarray(gone[np.minimum(np.searchsorted(gone, keys), len(gone) - 1)] == keys)


def _flat(lists: pa.RecordBatch, column: str) -> np.ndarray:
    return np.asarray(lists.column(column).flatten().to_numpy(zero_copy_only=False))


def _lengths(lists: pa.RecordBatch) -> np.ndarray:
    return np.asarray(lists.column("neighbour_keys").value_lengths().to_numpy(zero_copy_only=False))
