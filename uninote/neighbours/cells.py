"""Overlapping cells: which rows of the corpus meet in one run of the kernel."""

from __future__ import annotations

import math

import numpy as np

from uninote.vectors.kmeans import fit_kmeans, nearest_centroids

HEAVY = 1.5  # a cell of more than this many mean cells is split
_SPLIT_ROUNDS = 3


def fit_cells(sample: np.ndarray, num_cells: int, seed: int) -> np.ndarray:
    """Return the centroids of about `num_cells` cells, float32 (cells, width), of `sample`, float32 (rows, width).

    Cells of more than HEAVY times the mean are split, so there may be more, and cells without a row are dropped. A
    heavy cell that will not split, as one of identical rows, has its centroid repeated: `assign_cells` spreads its
    rows over the copies, where they meet only each other. For identical rows that costs nothing but the choice
    among ties.
    """
    centroids = fit_kmeans(sample, num_cells, seed)
    mean_rows = len(sample) / num_cells
    for _ in range(_SPLIT_ROUNDS):
        centroids, primary, rows = _occupied(sample, centroids)
        heavy = np.flatnonzero(rows > HEAVY * mean_rows)
        if not len(heavy):
            return centroids
        parts = [fit_kmeans(sample[primary == cell], math.ceil(rows[cell] / mean_rows), seed) for cell in heavy]
        centroids = np.concatenate([np.delete(centroids, heavy, axis=0), *parts])
    centroids, _, rows = _occupied(sample, centroids)
    return np.repeat(centroids, np.where(rows > HEAVY * mean_rows, np.ceil(rows / mean_rows), 1).astype(int), axis=0)


def assign_cells(
    vectors: np.ndarray, centroids: np.ndarray, overlap: int, keys: np.ndarray | None = None
) -> np.ndarray:
    """Return int32 (n, overlap): the primary cell of each row, then those of its replicas, nearest first.

    `overlap` is capped to the number of different centroids. Where a centroid is repeated, a row's primary cell is one
    copy, chosen by its key, and its replicas go to the next copies before other cells, or one giant cluster would fill
    those too; of copies that are not nearest a row has one replica. `keys`, int64 (n,), make the choice independent of how
    rows are batched; without them it goes by position.
    """
    distinct, copy_of, copies = np.unique(centroids, axis=0, return_inverse=True, return_counts=True)
    nearest = nearest_centroids(vectors, distinct, min(overlap, len(distinct)))
    # The copies of different centroid c are the cells grouped[first[c] : first[c] + copies[c]].
    grouped = np.argsort(copy_of, kind="stable").astype(np.int32)
    first = np.cumsum(copies) - copies
    scatter = _scatter(np.arange(len(vectors)) if keys is None else keys)[:, None]
    one_copy = grouped[first[nearest] + scatter % copies[nearest]]
    primary = nearest[:, :1]
    slots = np.arange(nearest.shape[1])
    # The copies of the nearest centroid, from the row's own on, come first; then one copy of each centroid after it.
    own = grouped[first[primary] + (scatter + slots) % copies[primary]]
    others = np.take_along_axis(one_copy, np.maximum(slots - copies[primary] + 1, 0), axis=1)
    return np.where(slots < copies[primary], own, others)


def _occupied(sample: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop centroids that no row is nearest to. Returns (centroids, primary cell of each row, rows of each centroid)."""
    nearest = nearest_centroids(sample, centroids)[:, 0]
    used, primary, rows = np.unique(nearest, return_inverse=True, return_counts=True)
    return centroids[used], primary, rows


def _scatter(keys: np.ndarray) -> np.ndarray:
    """Hash dense keys by Fibonacci's multiplier, so that a stride in the keys does not fill one copy only."""
    return (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)).astype(np.int64)
