"""Exact neighbours: the kernel that ranks all pairs of the rows in memory.

It computes each block of pairs once, for both of its sides. Its products are those of centred vectors: with m
the mean, <x, y> = <x-m, y-m> + <x-m, m> + <y-m, m> + <m, m>. The middle terms ride along as two more columns of the
product; the last one is the same for all pairs and is added at the end. So vectors whose cosines agree to three digits
are still told apart at the full precision of float32.
"""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.results.lists import Lists
from uninote.vectors.top_k import MAX_COLUMNS, best_entries, pack, unpack

# A block of scores takes 1 MiB and stays in a core's cache while it is filtered.
BLOCK_ROWS = 512


class KernelError(UninoteError):
    """The kernel was given something that it cannot rank."""


def topk_all_pairs(vectors: np.ndarray, k: int, block_rows: int = BLOCK_ROWS) -> Lists:
    """Return lists of `k`, ids int64 and scores float32, of each row's best other rows by inner product.

    `vectors` is float32 (n, width), n >= 1. Best first, equal scores by id, a position; slots past the n - 1 other rows
    hold -1 and -inf. Beside input and output it holds one copy of the vectors and a few blocks of `block_rows`
    squared. Raises KernelError for another dtype or shape, and where a value is not finite.
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
    return Lists(positions, (scores + shift).astype(np.float32))


def _check(vectors: np.ndarray, k: int, block_rows: int) -> None:
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not 1 <= len(vectors) <= MAX_COLUMNS:
        raise KernelError(
            f"vectors are {vectors.dtype} {vectors.shape}; they must be float32 (rows, width), 1 to {MAX_COLUMNS} rows"
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
    # The score that a further entry must exceed, -inf while a slot is free.
    limits = unpack(ranking[:, -1])[1]
    if np.isneginf(limits).all():
        by_row = scores if axis == 0 else scores.T
        insert_dense(ranking, pack(by_row, np.arange(first, first + by_row.shape[1])))
        return
    # Soon most scores are below their row's limit: finding the others first is what makes a block cheap.
    hits = np.unravel_index(np.flatnonzero(scores > np.expand_dims(limits, 1 - axis)), scores.shape)
    order = np.argsort(hits[axis], kind="stable")
    entries = pack(scores[hits], first + hits[1 - axis])
    insert(ranking, hits[axis][order], entries[order])


def empty_ranking(rows: int, k: int) -> np.ndarray:
    """Return int64 (rows, k) of free slots, which are packed entries of score -inf."""
    free = pack(np.full(1, -np.inf, dtype=np.float32), np.full(1, MAX_COLUMNS))
    return np.full((rows, k), free[0])


def insert(ranking: np.ndarray, rows: np.ndarray, entries: np.ndarray) -> None:
    """Merge packed `entries`, one for each of the ascending `rows`, into `ranking`, in place, best first."""
    counts = np.bincount(rows, minlength=len(ranking))
    first = np.cumsum(counts) - counts
    waiting = empty_ranking(len(ranking), int(counts.max(initial=0)))
    waiting[rows, np.arange(len(rows)) - first[rows]] = entries
    insert_dense(ranking, waiting)


def insert_dense(ranking: np.ndarray, entries: np.ndarray) -> None:
    """Merge packed `entries` (rows, any) into `ranking` (rows, k), in place, best first."""
    k = ranking.shape[1]
    if entries.shape[1] > 2 * k:
        entries = best_entries(entries, k)
    ranking[:] = best_entries(np.concatenate([ranking, entries], axis=1), k)
