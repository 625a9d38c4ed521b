"""Typical notes: those nearest to the centre of their branch."""

from __future__ import annotations

import numpy as np


def distances_to_centres(vectors: np.ndarray, branches: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squared distance of each vector, float32 (n, width), to the centre of its branch, float32 (n,).

    `branches` are rows of `centres`.
    """
    apart = vectors - centres[branches]
    distances: np.ndarray = np.einsum("nw,nw->n", apart, apart)
    return distances


def nearest_of_each(branches: np.ndarray, distances: np.ndarray, most: int) -> np.ndarray:
    """Return the rows of the up to `most` smallest distances of each branch: by branch, the nearest first."""
    order = np.lexsort((distances, branches))
    grouped = branches[order]
    # How far a row stands behind the first of its branch.
    rank = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    nearest: np.ndarray = order[rank < most]
    return nearest
