"""The rising steps that fit some shares best: pool-adjacent-violators."""

from __future__ import annotations

import numpy as np


def fit_isotonic(values: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (knots, steps), float64, both ascending: the least weighted squares of `shares` by a function that never falls.

    Each step stands at the mean of the `values` pooled in it, so that `np.interp` between knots has no jumps. The order of
    the rows decides nothing.
    """
    # A function has one value where `values` are equal: copies of notes all have the same.
    different, group = np.unique(values, return_inverse=True)
    totals = np.bincount(group, weights)
    means = np.bincount(group, weights * shares) / totals
    blocks: list[tuple[float, float, float]] = []  # weight, share times weight, value times weight
    for value_here, share_here, weight in zip(different.tolist(), means.tolist(), totals.tolist(), strict=True):
        block = (weight, weight * share_here, weight * value_here)
        while blocks and blocks[-1][1] * block[0] >= block[1] * blocks[-1][0]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    total, share, value = np.array(blocks).T
    return value / total, share / total
