"""The best candidates of each row while a join runs: sorted lists of keys that order by score, then by position.

A key is an int64: the score's float32 bits made sortable in the high half; below, 31 bits of position, counted down so
that the lower of equals comes first, and a flag in the lowest bit, set while no local join has seen the entry.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.simd.lists import insert_key
from uninote.neighbours.kernel.simd.tiles import aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

MAX_ROWS = 2**30  # an edge of a local join is twice a position in an int32
NO_ROW = 2**31 - 1
_LOW = 2**31 - 1


class Lists(NamedTuple):
    """`keys` int64 (members, length), best first; `limits` float32 (rows,): the score that a candidate must exceed."""

    keys: np.ndarray
    limits: np.ndarray


@borrowing
def pack_key(score: float, position: int) -> np.int64:
    """Return the key of a new candidate."""
    bits = np.int64(np.float32(score).view(np.int32))
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
        keys[row] = pack_key(limits[row], NO_ROW) & ~1


def empty_lists(rows: int, members: int, length: int, limits: np.ndarray | None) -> Lists:
    """Return lists of free slots for the first `members` rows; the others take no candidates.

    A free slot is a key without a position whose score is the row's start in `limits`, float32 (members,): -inf where
    None.
    """
    lists = Lists(aligned_empty((members, length), np.int64), np.full(rows, np.inf, dtype=np.float32))
    lists.limits[:members] = -np.inf if limits is None else limits
    _free_all(lists.keys, lists.limits)
    return lists


@borrowing
def offer(keys: np.ndarray, row: int, score: float, position: int) -> np.float32:
    """Insert a candidate into the list of `row` unless it is there; return the row's new limit."""
    return key_score(insert_key(keys, row, pack_key(score, position)))


@borrowing
def insert_sorted(best: np.ndarray, count: int, key: np.int64) -> int:
    """Insert a key into the first `count` of `best`, in descending order; return how many it then holds."""
    place = min(count, len(best) - 1)
    if count == len(best) and best[place] >= key:
        return count
    while place > 0 and best[place - 1] < key:
        best[place] = best[place - 1]
        place -= 1
    best[place] = key
    return min(count + 1, len(best))


@compiled
def share_found(keys: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Return the share of the best `k` of `truth`, keys of the first rows, that `keys` reach, ties counted fairly.

    Less two standard errors: the rows are a sample, and where some miss all and others none, a rough one.
    """
    count, total, squares = 0, 0.0, 0.0
    for row in range(len(truth)):
        available = 0
        while available < k and key_position(truth[row, available]) != NO_ROW:
            available += 1
        if available:
            reached = 0
            for slot in range(keys.shape[1]):
                real = key_position(keys[row, slot]) != NO_ROW
                reached += real and keys[row, slot] >> 32 >= truth[row, available - 1] >> 32
            share = min(reached, available) / available
            count, total, squares = count + 1, total + share, squares + share * share
    if not count:
        return 1.0
    mean = total / count
    return mean - 2 * math.sqrt(max(squares / count - mean * mean, 0.0) / count)
