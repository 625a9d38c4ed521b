"""The nearest code of a level, decided alike whatever rows are computed together.

A product of matrices rounds differently by the shape of its blocks, so a vector half-way between two codes would get one
in a night and the other in a rebuild. Where the two best are that close, float64 decides, row by row.
"""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-5  # of the squares in a score: ten times what float32 is off by at 4,096 dimensions
_EXACT_VALUES = 1 << 20  # float64 that a step of deciding exactly holds

BLOCK_ROWS = 4096  # their scores for 256 codes take 4 MiB, which a cache holds


def nearest_codes(vectors: np.ndarray, centroids: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Return int32 (n,): the code of each of `vectors`, float32 (n, width), that costs least, the first among equals.

    A code costs the squared distance to its centroid, float32 (size, width), and its price, float32 (size,).
    """
    squares = np.einsum("kd,kd->k", centroids, centroids)
    scores = vectors @ (-2 * centroids.T)
    scores += squares + prices
    best = scores.argmin(axis=1)
    rows = np.arange(len(vectors))
    least = scores[rows, best]
    scores[rows, best] = np.inf
    lengths = np.einsum("nd,nd->n", vectors, vectors)
    margin = _ROUNDING * (lengths + float(squares.max()) + float(prices.max()))
    close = np.flatnonzero(scores.min(axis=1) - least <= margin) if len(centroids) > 1 else rows[:0]
    step = max(1, _EXACT_VALUES // centroids.size)
    for first in range(0, len(close), step):
        some = close[first : first + step]
        best[some] = _costs(vectors[some], centroids, prices).argmin(axis=1)
    return np.asarray(best, np.int32)


def nearest_in_blocks(vectors: np.ndarray, centroids: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Return int32 (n,): the code of each vector, computed a block at a time."""
    codes = np.empty(len(vectors), np.int32)
    for first in range(0, len(vectors), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        codes[rows] = nearest_codes(vectors[rows], centroids, prices)
    return codes


def _costs(vectors: np.ndarray, centroids: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Return float64 (n, size). A row's sum is over contiguous numbers, and so the same beside any other rows."""
    away = vectors[:, None, :].astype(np.float64) - centroids
    return np.asarray(np.square(away).sum(axis=2) + prices)
