"""The one shape that lists of neighbours have in memory; what is stored or sent is converted where it is read or written."""

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


def empty_lists(rows: int, k: int) -> Lists:
    """Return lists of `k` slots, int32 and float32, without a neighbour."""
    return Lists(np.full((rows, k), -1, dtype=np.int32), np.full((rows, k), -np.inf, dtype=np.float32))
