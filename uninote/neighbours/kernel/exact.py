"""Exact neighbours: the kernel that ranks all pairs of the rows in memory.

It computes each block of pairs once, for both of its sides. Its products are those of centred vectors: with m
the mean, <x, y> = <x-m, y-m> + <x-m, m> + <y-m, m> + <m, m>. The middle terms ride along as two more columns of the
product; the last one is the same for all pairs and is added at the end. So vectors whose cosines agree to three digits
are still told apart at the full precision of float32.
"""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.kernel.ranking import MAX_ROWS, empty_ranking, insert, insert_dense, pack, thresholds, unpack

BLOCK_ROWS = 512  # a block of scores, 1 MiB, stays in a core's cache while it is filtered


class KernelError(UninoteError):
    """The kernel was given something that it cannot rank."""


def topk_all_pairs(vectors: np.ndarray, k: int, block_rows: int = BLOCK_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Return (positions int64 (n, k), scores float32 (n, k)) of each row's best other rows by inner product.

    `vectors` is float32 (n, width), n >= 1. Best first, equal scores by position; slots past the n - 1 other rows
    hold -1 and -inf. Beside input and output it holds one copy of the vectors and a few blocks of `block_rows`
    squared.
    """
    _check(vectors, k, block_rows)
    points, shift = _centre(vectors)
    ranking = empty_ranking(len(points), k)
    # Along the rows of the upper triangle each row meets the others in ascending order: the first of equals stays.
    for top in range(0, len(points), block_rows):
        upper = slice(top, top + block_rows)
        for left in range(top, len(points), block_rows):
            beside = slice(left, left + block_rows)
            scores = points[upper] @ _mirrored(points[beside]).T
            if top == left:
                np.fill_diagonal(scores, -np.inf)
            else:
                _offer(ranking[beside], scores, top, axis=1)
            _offer(ranking[upper], scores, left, axis=0)
    positions, scores = unpack(ranking)
    return positions, (scores + shift).astype(np.float32)


def _check(vectors: np.ndarray, k: int, block_rows: int) -> None:
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not 1 <= len(vectors) <= MAX_ROWS:
        raise KernelError(
            f"vectors are {vectors.dtype} {vectors.shape}; they must be float32 (rows, width), 1 to {MAX_ROWS} rows"
        )
    if k < 1 or block_rows < 1:
        raise KernelError(f"k is {k} and block_rows {block_rows}; both must be at least 1")


def _centre(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Return ([x - m, <x - m, m>, 1] of each row, <m, m>)."""
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if not np.isfinite(mean).all():
        raise KernelError("vectors hold NaN or infinity; such rows belong in quarantine")
    width = vectors.shape[1]
    points = np.ones((len(vectors), width + 2), dtype=np.float32)
    np.subtract(vectors, mean, out=points[:, :width])
    wide_mean = mean.astype(np.float64)
    for start in range(0, len(points), BLOCK_ROWS):
        block = points[start : start + BLOCK_ROWS]
        block[:, width] = block[:, :width].astype(np.float64) @ wide_mean
    return points, float(wide_mean @ wide_mean)


def _mirrored(points: np.ndarray) -> np.ndarray:
    """Swap the last two columns, so that points @ mirrored.T adds the middle terms of both sides."""
    return np.concatenate([points[:, :-2], points[:, -1:], points[:, -2:-1]], axis=1)


def _offer(ranking: np.ndarray, scores: np.ndarray, first: int, axis: int) -> None:
    """Insert a block's scores into the ranking of its `axis`; `first` is the position where the other axis starts."""
    limits = thresholds(ranking)
    if np.isneginf(limits).all():
        by_row = scores if axis == 0 else scores.T
        insert_dense(ranking, pack(by_row, np.arange(first, first + by_row.shape[1])))
        return
    hits = np.unravel_index(np.flatnonzero(scores > np.expand_dims(limits, 1 - axis)), scores.shape)
    order = np.argsort(hits[axis], kind="stable")
    entries = pack(scores[hits], first + hits[1 - axis])
    insert(ranking, hits[axis][order], entries[order])
