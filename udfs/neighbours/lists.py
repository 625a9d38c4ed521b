"""Neighbour lists as rows: made of what a join found, merged by owner, and freed of those that went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import pack, unpack
from udfs.notes.fingerprints import ArrowMap
from uninote.lake.parquet_files import DamagedFileError
from uninote.neighbours.kernel.merge_lists import FlatLists, merge_groups

LISTS = (
    "item_key",
    "note_id",
    "neighbour_keys",
    "neighbour_ids",
    "scores",
    "whole",
)  # keys int64, scores float32, as bytes
_ROWS = 10_000  # of a batch
_MOST_SCORE = 1.01  # of unit vectors, with some room for rounding
_TABLE = 64  # bytes a key that a table of all keys may take


def make_lists(
    owned: tuple[pa.Array, pa.Array],
    entries: tuple[np.ndarray, pa.Array, np.ndarray],
    starts: np.ndarray,
    whole: np.ndarray,
) -> pa.RecordBatch:
    """Return LISTS of (item_key, note_id) of owners and flat (keys int64, note_ids, scores float32), list i from starts[i]."""
    keys, ids, scores = entries
    lists = pack(keys, starts), pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), ids), pack(scores, starts)
    return pa.RecordBatch.from_arrays([*owned, *lists, pa.array(whole)], names=[*LISTS])


def lists_of(
    keys: np.ndarray, note_ids: pa.Array, rows: np.ndarray, found: tuple[np.ndarray, np.ndarray], searched: int
) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of `rows`, some of the items that met, in batches.

    `keys` int64 and `note_ids` are those of all that met; `found` (ids, scores), (all, k), are positions among them, -1
    where a slot is free. The first `searched` of them met everything: theirs are whole, unless they are full.
    """
    ids, scores = found
    for start in range(0, len(rows), _ROWS):
        owners = rows[start : start + _ROWS]
        others = ids[owners]
        held = others >= 0
        positions, starts = others[held], np.concatenate([[0], np.cumsum(held.sum(axis=1))])
        owned = pa.array(keys[owners]), note_ids.take(pa.array(owners))
        entries = keys[positions], note_ids.take(pa.array(positions)), scores[owners][held]
        yield make_lists(owned, entries, starts, owners < searched)


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
        here = slice(bounds[0], bounds[-1])
        owned = pa.array(keys[rows]), note_ids.take(pa.array(rows))
        entries = keys[others[here]], note_ids.take(pa.array(others[here])), scores[here]
        yield make_lists(owned, entries, bounds - bounds[0], rows < searched)


def merge_lists(
    stored: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch], gone: np.ndarray, k: int
) -> pa.RecordBatch:
    """Return LISTS in order of note_id, one for each owner: `stored` ones, merged with what was `found` anew of some.

    Owners and neighbours of stored lists that are `gone`, int64 ascending, are left out. One of both may be empty.
    """
    tables = [pa.Table.from_batches(lists).select([*LISTS]) for lists in (stored, found) if lists]
    lists = pa.concat_tables([table.cast(tables[0].schema) for table in tables]).combine_chunks().to_batches()[0]
    keys, starts = unpack(lists.column("neighbour_keys"), np.int64)
    scores, _ = unpack(lists.column("scores"), np.float32)
    owners, older = lists.column("item_key").to_numpy(), sum(map(len, stored))
    kept, stays = np.ones(len(keys), bool), np.ones(len(lists), bool)
    kept[: starts[older]] = ~among(keys[: starts[older]], gone)
    stays[:older] = ~among(owners[:older], gone)
    order = pc.sort_indices(lists.column("note_id")).to_numpy()
    order = order[stays[order]]
    new = np.append(owners[order][1:] != owners[order][:-1], True)  # where the next list is another owner's
    bounds = np.concatenate([[0], np.flatnonzero(new) + 1]) if len(order) else np.zeros(1, np.int64)
    chosen, starts = merge_groups(FlatLists(starts, keys, scores, kept), order, bounds, k)
    whole = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)[order]
    owned = tuple(lists.column(name).take(pa.array(order[bounds[:-1]])) for name in ("item_key", "note_id"))
    entries = keys[chosen], lists.column("neighbour_ids").flatten().take(pa.array(chosen)), scores[chosen]
    return make_lists(owned, entries, starts, np.logical_or.reduceat(whole, bounds[:-1]) if len(order) else whole)


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
            parts = (lists.column("item_key").to_numpy(), *_without(lists, dropped, k))
            yield pa.RecordBatch.from_arrays(
                [pa.array([part.tobytes()]) for part in parts], names=["item_key", "limit", "short"]
            )

    return run


def _without(lists: pa.RecordBatch, gone: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (limit, short) of LISTS without the neighbours `gone`."""
    keys, starts = unpack(lists.column("neighbour_keys"), np.int64)
    scores, score_starts = unpack(lists.column("scores"), np.float32)
    _check(keys, scores, np.array_equal(starts, score_starts))
    kept = ~among(keys, gone)
    left = np.diff(np.concatenate([[0], np.cumsum(kept)])[starts])
    filled, limit = np.diff(starts) > 0, np.full(len(lists), -np.inf, np.float32)
    if len(keys):
        limit[filled] = np.minimum.reduceat(np.where(kept, scores, np.float32(np.inf)), starts[:-1][filled])
    whole = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)
    limit[whole | (left == 0)] = -np.inf
    return limit, ~whole & (left < k)


def _check(keys: np.ndarray, scores: np.ndarray, alike: bool) -> None:
    """Raise DamagedFileError where stored lists are none: what was written before pages had checksums may be anything."""
    if not alike or (keys < 0).any() or not (np.abs(scores) <= _MOST_SCORE).all():
        raise DamagedFileError("a file of neighbour_state is not as it was written (its lists are none)")


def among(keys: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `keys` are among `gone`, int64 ascending."""
    if not len(gone):
        return np.zeros(len(keys), dtype=bool)
    if gone[-1] - gone[0] < _TABLE * len(keys):  # one look each, where searching takes a dozen
        return np.isin(keys, gone, kind="table")
    return np.asarray(gone[np.minimum(np.searchsorted(gone, keys), len(gone) - 1)] == keys)
