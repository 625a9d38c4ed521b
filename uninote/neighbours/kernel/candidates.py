"""The best candidates of each row while a join runs: sorted lists of keys that order by score, then by position.

A key is an int64: the score's float32 bits made sortable in the high half; below, 31 bits of position, counted down so
that the lower of equals comes first, and a flag in the lowest bit, set while no local join has seen the entry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.exclusions import NOBODY, Exclusions
from uninote.neighbours.kernel.simd.lists import insert_key
from uninote.neighbours.kernel.simd.tiles import aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

MAX_ROWS = 2**30  # an edge of a local join is twice a position in an int32
NO_ROW = 2**31 - 1
_LOW = 2**31 - 1


class Candidates(NamedTuple):
    """The best candidates so far of the first rows: `keys` int64 (lists, length), best first.

    `limits` float32 (rows,) is the score that a new candidate must exceed; that of a row without a list is +inf.
    `excluded` says which pairs are no candidates at all.
    """

    keys: np.ndarray
    limits: np.ndarray
    excluded: Exclusions


@borrowing
def pack_key(score: float | np.floating, position: int | np.integer) -> np.int64:
    """Return the key of a new candidate."""
    bits = np.int64(np.float32(score).view(np.int32))
    # The bits of floats order as integers do once those of negative ones are flipped: comparing keys compares scores, and
    # one integer comparison orders by position too.
    return ((bits ^ ((bits >> 31) & _LOW)) << 32) | ((NO_ROW - np.int64(position)) << 1) | 1


@borrowing
def key_score(key: np.int64) -> np.float32:
    """Return the float32 score of a key."""
    bits = np.int32(key >> 32)
    return np.int32(bits ^ ((bits >> 31) & _LOW)).view(np.float32)


@borrowing
def key_position(key: np.int64) -> np.int64:
    """Return the position of a key, NO_ROW for a free slot."""
    return NO_ROW - ((key >> 1) & _LOW)


@compiled
def _free_all(keys: np.ndarray, limits: np.ndarray) -> None:
    for row in range(len(keys)):
        # Below every candidate that the row may take: an insertion needs no count of the slots in use.
        keys[row] = pack_key(limits[row], NO_ROW) & ~1


def empty_candidates(
    rows: int, lists: int, length: int, limits: np.ndarray | None = None, excluded: Exclusions = NOBODY
) -> Candidates:
    """Return free slots for the first `lists` of so many rows; the other rows take no candidates.

    A free slot is a key without a position whose score is the row's start in `limits`, float32 (lists,): -inf where
    None.
    """
    keys = aligned_empty((lists, length), np.int64)
    candidates = Candidates(keys, np.full(rows, np.inf, dtype=np.float32), excluded)
    candidates.limits[:lists] = -np.inf if limits is None else limits
    _free_all(candidates.keys, candidates.limits)
    return candidates


@borrowing
def offer(keys: np.ndarray, row: int, score: float, position: int) -> np.float32:
    """Insert a candidate into the list of `row` unless it is there; return the row's new limit."""
    return key_score(insert_key(keys, row, pack_key(score, position)))


@borrowing
def insert_sorted(best: np.ndarray, count: int, key: np.int64) -> int:
    """Insert a key into the first `count` of `best`, int64, in descending order; return how many it then holds.

    The plain insertion for whoever ranks a few keys. `offer` is for the lists of a join, where a candidate comes again and
    again: it looks for the key first, eight entries at a time.
    """
    place = min(count, len(best) - 1)
    if count == len(best) and best[place] >= key:
        return count
    while place > 0 and best[place - 1] < key:
        best[place] = best[place - 1]
        place -= 1
    best[place] = key
    return min(count + 1, len(best))
