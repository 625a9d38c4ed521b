"""Neighbour lists as rows: made of what a join found, merged by owner, and freed of notes that were removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, pack, unpack
from uninote.lake.parquet_files import DamagedFileError
from uninote.neighbours.results.lists import Lists, Pairs
from uninote.neighbours.results.merge_lists import FlatLists, merge_groups
from uninote.vectors.key_sets import among

LISTS = ("item_key", "note_id", "neighbour_keys", "neighbour_ids", "scores", "whole", "mean", "spread")
"""The columns of lists: neighbour_keys int64 and scores float32, as bytes; `whole`: the list lacks no note that qualifies.

`mean` and `spread`, float32, are the owner's background (uninote/neighbours/background.py), NaN in partial lists that do not
know it.
"""

_BATCH_ROWS = 10_000
_MOST_SCORE = 1.01  # of unit vectors, with some room for rounding


@dataclass(frozen=True)
class Owners:
    """Whose lists are made: `keys` int64 (n,), `ids` their note_ids, and `backgrounds` float32 (n, 2), NaN where not known."""

    keys: np.ndarray
    ids: pa.Array
    backgrounds: np.ndarray

    @classmethod
    def unknown(cls, keys: np.ndarray, ids: pa.Array) -> Owners:
        """Return owners whose backgrounds are not known."""
        return cls(keys, ids, np.full((len(keys), 2), np.nan, np.float32))

    def take(self, places: np.ndarray) -> Owners:
        """Return some of them."""
        return Owners(self.keys[places], self.ids.take(pa.array(places)), self.backgrounds[places])


@dataclass(frozen=True)
class Entries:
    """Entries of lists, flat: `keys` int64 (n,), `ids` their note_ids, and `scores` float32 (n,)."""

    keys: np.ndarray
    ids: pa.Array
    scores: np.ndarray

    def take(self, places: np.ndarray) -> Entries:
        """Return some of them."""
        return Entries(self.keys[places], self.ids.take(pa.array(places)), self.scores[places])


def make_lists(owners: Owners, entries: Entries, starts: np.ndarray, complete: np.ndarray) -> pa.RecordBatch:
    """Return LISTS of n `owners`: list i has the entries from starts[i] to starts[i + 1], `starts` int64 (n + 1,).

    `complete`, bool (n,), says which lists lack no note that qualifies.
    """
    return pa.RecordBatch.from_arrays(
        [
            pa.array(owners.keys),
            owners.ids,
            pack(entries.keys, starts),
            pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), entries.ids),
            pack(entries.scores, starts),
            pa.array(complete),
            pa.array(np.ascontiguousarray(owners.backgrounds[:, 0])),
            pa.array(np.ascontiguousarray(owners.backgrounds[:, 1])),
        ],
        names=[*LISTS],
    )


def lists_of(joined: Owners, rows: np.ndarray, found: Lists, searched: int) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of `rows`, some of the notes that were `joined`, in batches.

    `found`, (all, k), has positions among those. The first `searched` of them were compared with all: their lists are
    complete, unless they are full.
    """
    ids, scores = found
    for start in range(0, len(rows), _BATCH_ROWS):
        owners = rows[start : start + _BATCH_ROWS]
        others = ids[owners]
        used = others >= 0
        positions = others[used]
        starts = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        entries = Entries(joined.keys[positions], joined.ids.take(pa.array(positions)), scores[owners][used])
        yield make_lists(joined.take(owners), entries, starts, owners < searched)


def lists_of_pairs(keys: np.ndarray, note_ids: pa.Array, pairs: Pairs, searched: int) -> Iterator[pa.RecordBatch]:
    """Yield LISTS of the owners in `pairs`, in batches; a row that owns none has no list.

    `keys` int64 and `note_ids` are those of all that were joined; the rest as for `lists_of`.
    """
    owners, others, scores = pairs
    first = np.flatnonzero(_starts_run(owners))
    ends = np.append(first, len(owners))
    for start in range(0, len(first), _BATCH_ROWS):
        rows = owners[first[start : start + _BATCH_ROWS]]
        bounds = ends[start : start + _BATCH_ROWS + 1]
        here = slice(bounds[0], bounds[-1])
        entries = Entries(keys[others[here]], note_ids.take(pa.array(others[here])), scores[here])
        known = Owners.unknown(keys[rows], note_ids.take(pa.array(rows)))
        yield make_lists(known, entries, bounds - bounds[0], rows < searched)


def merge_lists(
    stored: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch], removed: np.ndarray, k: int
) -> pa.RecordBatch:
    """Return LISTS in order of note_id, one of at most `k` for each owner: `stored` ones, merged with what was `found` anew.

    Owners and neighbours of stored lists among `removed`, int64 ascending, are left out. Either of both may be empty, not
    both of them.
    """
    lists = _in_one_batch(stored, found)
    entries, starts = _entries_of(lists)
    num_stored = sum(len(batch) for batch in stored)
    counts = np.ones(len(entries.keys), bool)
    counts[: starts[num_stored]] = ~among(entries.keys[: starts[num_stored]], removed)
    order = _order_by_note(lists, num_stored, removed)
    owners = lists.column("item_key").to_numpy()[order]
    # The lists of one owner stand side by side in `order`; group i is order[bounds[i]] to order[bounds[i + 1]].
    first = np.flatnonzero(_starts_run(owners))
    bounds = np.append(first, len(owners))
    chosen, merged_starts = merge_groups(FlatLists(starts, entries.keys, entries.scores, counts), order, bounds, k)
    complete = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)[order]
    if len(first):
        # Any list of an owner may be the one from a search through everything.
        complete = np.logical_or.reduceat(complete, first)
    merged = Owners(
        owners[first], lists.column("note_id").take(pa.array(order[first])), _merged_backgrounds(lists, order, first)
    )
    return make_lists(merged, entries.take(chosen), merged_starts, complete)


def _merged_backgrounds(lists: pa.RecordBatch, order: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return float32 (groups, 2): what any list of each owner knows of its background; those that know it say the same."""
    found = np.empty((len(first), 2), np.float32)
    for column, name in enumerate(("mean", "spread")):
        values = lists.column(name).to_numpy()[order]
        if len(first):
            # fmax passes over NaN.
            found[:, column] = np.fmax.reduceat(values, first)
    return found


def _in_one_batch(stored: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return all LISTS, the stored ones first, in the types of the first."""
    tables: list[pa.Table] = []
    for lists in (stored, found):
        if lists:
            table = pa.Table.from_batches(lists).select([*LISTS])
            tables.append(table.cast(tables[0].schema) if tables else table)
    return pa.concat_tables(tables).combine_chunks().to_batches()[0]


def _entries_of(lists: pa.RecordBatch) -> tuple[Entries, np.ndarray]:
    """Return the entries of LISTS, and where each list starts, int64 (n + 1,)."""
    keys, starts = unpack(lists.column("neighbour_keys"), np.int64)
    scores, _ = unpack(lists.column("scores"), np.float32)
    return Entries(keys, lists.column("neighbour_ids").flatten(), scores), starts


def _order_by_note(lists: pa.RecordBatch, num_stored: int, removed: np.ndarray) -> np.ndarray:
    """Return the places of LISTS in order of note_id, without the first `num_stored` whose owners are `removed`."""
    stays = np.ones(len(lists), bool)
    stays[:num_stored] = ~among(lists.column("item_key").to_numpy()[:num_stored], removed)
    order = pc.sort_indices(lists.column("note_id")).to_numpy()
    return np.asarray(order[stays[order]])


def _starts_run(values: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `values` differ from the one before."""
    starts = np.ones(len(values), bool)
    starts[1:] = values[1:] != values[:-1]
    return starts


def make_list_limits(removed: Callable[[], np.ndarray], k: int) -> ArrowMap:
    """Map LISTS, without the neighbours `removed`, to what an update needs of them: `item_key`, `limit` and `short`, as bytes.

    `limit`, float32, is what a new neighbour must exceed. A list that was cut knows nothing of what comes after its last
    entry, so only better ones may enter; a complete one takes any, and has -inf. `short`, bool: fewer than `k` entries are
    left though more notes qualify.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            stays = np.flatnonzero(~among(batch.column("item_key").to_numpy(), removed()))
            lists = batch.take(pa.array(stays)) if len(stays) < len(batch) else batch
            limit, short = _limits_without(lists, removed(), k)
            keys = lists.column("item_key").to_numpy()
            found = {"item_key": [keys.tobytes()], "limit": [limit.tobytes()], "short": [short.tobytes()]}
            yield pa.RecordBatch.from_pydict(found)

    return run


def _limits_without(lists: pa.RecordBatch, removed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (limit float32 (n,), short bool (n,)) of LISTS without the neighbours `removed`."""
    keys, starts = unpack(lists.column("neighbour_keys"), np.int64)
    scores, score_starts = unpack(lists.column("scores"), np.float32)
    _check(keys, scores, np.array_equal(starts, score_starts))
    stays = ~among(keys, removed)
    left = np.diff(np.concatenate([[0], np.cumsum(stays)])[starts])
    limit = np.full(len(lists), -np.inf, np.float32)
    filled = np.diff(starts) > 0
    if len(keys):
        # reduceat has no notion of an empty segment: it would return the first entry of the next list.
        limit[filled] = np.minimum.reduceat(np.where(stays, scores, np.float32(np.inf)), starts[:-1][filled])
    complete = lists.column("whole").to_numpy(zero_copy_only=False).astype(bool)
    limit[complete | (left == 0)] = -np.inf
    return limit, ~complete & (left < k)


def _check(keys: np.ndarray, scores: np.ndarray, alike: bool) -> None:
    """Raise DamagedFileError where stored lists are none: what was written before pages had checksums may be anything."""
    if not alike or (keys < 0).any() or not (np.abs(scores) <= _MOST_SCORE).all():
        raise DamagedFileError("a file of neighbour_state is not as it was written (its lists are none)")
