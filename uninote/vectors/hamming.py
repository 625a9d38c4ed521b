"""Pairs of bit strings that differ in few bits, all of them: exact, by counting bits."""

from __future__ import annotations

from typing import NamedTuple

import faiss
import numpy as np


class NearPairs(NamedTuple):
    """`rows` and `others`, int64, are the numbers of the two sides of each pair, `distances` int64 the bits that differ."""

    rows: np.ndarray
    others: np.ndarray
    distances: np.ndarray


class BitStrings:
    """Bit strings to be looked through: uint8 (n, bytes)."""

    def __init__(self, bits: np.ndarray) -> None:
        self._index = faiss.IndexBinaryFlat(8 * bits.shape[1])
        self._index.add(np.ascontiguousarray(bits))

    def within(self, rows: np.ndarray, distance: int) -> NearPairs:
        """Return all pairs of `rows`, uint8 (m, bytes), with these that differ in at most `distance` bits."""
        # faiss means less than the radius.
        ends, distances, others = self._index.range_search(np.ascontiguousarray(rows), distance + 1)
        counts = np.diff(ends.astype(np.int64))
        return NearPairs(np.repeat(np.arange(len(rows)), counts), others, distances.astype(np.int64))
