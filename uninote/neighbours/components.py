"""Connected components of a sparse graph: which rows belong together through any chain of pairs."""

from __future__ import annotations

import numpy as np


class Links:
    """Rows that are linked, from pairs that arrive in parts: only 8 bytes for each row number up to the largest are held."""

    def __init__(self) -> None:
        # A forest: each row points to a lower one that it is linked with, the least of a component to itself.
        self._lower = np.arange(0)

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Link rows, int64 (m,) from 0, one pair after the other."""
        most = max(first.max(initial=-1), second.max(initial=-1))
        if most >= len(self._lower):
            self._lower = np.concatenate([self._lower, np.arange(len(self._lower), most + 1)])
        while True:
            left = self._least_of(first)
            right = self._least_of(second)
            apart = left != right
            if not apart.any():
                return
            first = left[apart]
            second = right[apart]
            higher = np.maximum(first, second)
            np.minimum.at(self._lower, higher, np.minimum(first, second))
            self._shorten(np.unique(higher))

    def least(self) -> np.ndarray:
        """Return int64 (rows,): the least row of the component that each row is in, itself where it has no pair."""
        return self._least_of(np.arange(len(self._lower)))

    def _least_of(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._lower[rows]
        while True:
            lower = self._lower[found]
            if np.array_equal(lower, found):
                break
            found = lower
        self._lower[rows] = found  # the next search from these rows takes one step
        return found

    def _shorten(self, rows: np.ndarray) -> None:
        """Let `rows` point to the end of their way: all at once, so a chain of n rows takes log2(n) rounds, not n."""
        while True:
            lower = self._lower[self._lower[rows]]
            if np.array_equal(lower, self._lower[rows]):
                return
            self._lower[rows] = lower


def connected(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64, ascending, of all nodes; the least key of each one's component) of the edges first-second."""
    keys, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    links = Links()
    links.add(places[: len(first)], places[len(first) :])
    return keys, keys[links.least()]
