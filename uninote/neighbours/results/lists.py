"""How neighbours are held in memory: lists of all rows, or pairs where few of many rows have any.

What is stored or sent is made of these, and into these, where it is written or read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Lists(NamedTuple):
    """The neighbours of n rows, best first: `ids` int32 or int64 (n, k), `scores` floating (n, k).

    An id is a position among the rows that were joined, or an item_key, as the function that returns it says. Entries of
    equal score are in order of id. A slot without a neighbour has the id -1 and the score -inf; such slots come last.
    """

    ids: np.ndarray
    scores: np.ndarray


class Pairs(NamedTuple):
    """Neighbours of some rows: `owners` and `others` int32 (p,), rows, and `scores` float32 (p,).

    By owner, best first, equal scores by other.
    """

    owners: np.ndarray
    others: np.ndarray
    scores: np.ndarray


def empty_lists(rows: int, k: int) -> Lists:
    """Return lists of `k` slots, int32 and float32, without a neighbour."""
    return Lists(np.full((rows, k), -1, dtype=np.int32), np.full((rows, k), -np.inf, dtype=np.float32))
