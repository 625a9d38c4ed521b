"""Metrics of one query from the ranks of its relevant items. Ranks count from 1."""

from __future__ import annotations

import numpy as np


def recall_at(ranks: np.ndarray, k: int) -> float:
    """Return the share of the relevant items that stand within the first `k`."""
    return float((ranks <= k).mean())


def precision_at(ranks: np.ndarray, k: int) -> float:
    """Return the share of the first `k` that is relevant; with fewer than `k` relevant ones it cannot reach 1."""
    return float((ranks <= k).sum() / k)


def ndcg_at(ranks: np.ndarray, k: int) -> float:
    """Return the normalised discounted gain of the first `k`. `ranks` are in falling order of relevance.

    The gain of the i-th of n relevant items is n - i + 1, discounted by log2(1 + rank).
    """
    gains = np.arange(len(ranks), 0, -1, dtype=np.float64)
    found = np.where(ranks <= k, gains / np.log2(1 + ranks), 0.0).sum()
    best = (gains[:k] / np.log2(1 + np.arange(1, min(k, len(gains)) + 1))).sum()
    return float(found / best)


def kendall_tau(ranks: np.ndarray) -> float | None:
    """Return how far the relevant items, given in falling order of relevance, stand in that order: 1 all, -1 reversed.

    Ranks have no ties. Null for fewer than two.
    """
    if len(ranks) < 2:
        return None
    first, second = np.triu_indices(len(ranks), 1)
    return float(np.sign(ranks[second] - ranks[first]).mean())
