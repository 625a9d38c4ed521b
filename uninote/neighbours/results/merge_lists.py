"""One list a row out of several, as flat arrays: no padding, and no entry is moved but into its list."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled


class FlatLists(NamedTuple):
    """List i is entries starts[i] to starts[i + 1] of `keys` int64 and `scores` float32; only `valid` ones, bool, count."""

    starts: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    valid: np.ndarray


@compiled
def merge_groups(lists: FlatLists, rows: np.ndarray, bounds: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (entries int64, offsets int64 (g + 1,)): each group's best `k` entries, distinct keys, best first.

    Group g is the lists rows[bounds[g]] to rows[bounds[g + 1]], each of distinct keys. Equal scores fall in order of key; a
    key that comes twice keeps its better score. Lists are best first as a rule; others only take longer.
    """
    # A look into the tuple counts a reference, an atomic step: merging 100,000 lists took 0.34 s so, and takes 0.055.
    starts, keys, scores, valid = lists
    entries = np.empty(len(keys), np.int64)
    offsets = np.zeros(len(bounds), np.int64)
    order = np.empty(len(keys), np.int64)
    filled = 0
    for group in range(len(bounds) - 1):
        count = 0
        for place in range(bounds[group], bounds[group + 1]):
            row = rows[place]
            for entry in range(starts[row], starts[row + 1]):
                if valid[entry]:
                    _insert(keys, scores, order, count, entry)
                    count += 1
        first = filled
        # A key comes but once in one list: nothing to look for.
        alone = bounds[group + 1] - bounds[group] == 1
        # Few keys come twice, and k is small: looking through what is chosen costs less than a set.
        for place in range(count):
            entry = order[place]
            if filled - first < k and (alone or not _is_among(keys, entries, first, filled, keys[entry])):
                entries[filled] = entry
                filled += 1
        offsets[group + 1] = filled
    return entries[:filled].copy(), offsets


@borrowing
def _insert(keys: np.ndarray, scores: np.ndarray, order: np.ndarray, count: int, entry: int) -> None:
    """Put an entry among the first `count` of `order`: from the end, since most belong near there."""
    place = count
    while place > 0:
        before = order[place - 1]
        if scores[before] > scores[entry] or (scores[before] == scores[entry] and keys[before] <= keys[entry]):
            break
        order[place] = before
        place -= 1
    order[place] = entry


@borrowing
def _is_among(keys: np.ndarray, entries: np.ndarray, first: int, end: int, key: int) -> bool:
    """Say whether one of entries[first:end] has the `key`."""
    found = False
    for place in range(first, end):
        found |= keys[entries[place]] == key
    return found
