"""Prices that keep a code from being taken too often: what a code costs beside the distance to its centroid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_TURNS = 150
_PATIENCE = 40  # turns without a better result after which none comes
_PACES = (10, 30, 100)  # turns after which steps are half as long; where one does not do, the next is tried
_STEP = 0.3  # of the mean cost, for each limit that a code is over its own


class Balanced(NamedTuple):
    """The codes, int64 (n,), that `prices`, float32 (size,), lead to; `over`: the fullest code's rows by those it may have."""

    codes: np.ndarray
    prices: np.ndarray
    over: float


def balance(distances: np.ndarray, prices: np.ndarray, weights: np.ndarray, limit: float) -> Balanced:
    """Return prices by which no code has more rows than it may, or the best found where that does not come about.

    `distances` float32 (n, size) are squared, `weights` float64 (n,) say how many equal rows each stands for. Equal rows have
    one code, however many they are: a code may have `limit` rows, or those of its most frequent vector. The prices of codes
    that have more rise until others cost less for enough rows.
    """
    found = [_settle(distances, prices, weights, limit, _PACES[0])]
    for pace in _PACES[1:]:
        if found[-1].over <= 1:
            break
        found.append(_settle(distances, prices, weights, limit, pace))
    return min(found, key=lambda one: one.over)


def _settle(distances: np.ndarray, prices: np.ndarray, weights: np.ndarray, limit: float, pace: int) -> Balanced:
    """Raise and lower prices until they suit, or nothing gets better; the greater `pace`, the longer steps stay long."""
    cost = float(np.average(distances.min(axis=1), weights=weights))
    best: Balanced | None = None
    best_turn = 0
    for turn in range(_TURNS):
        codes = (distances + prices).argmin(axis=1)
        over = overfull(codes, weights, len(prices), limit)
        if best is None or over.max() < best.over:
            best, best_turn = Balanced(codes, prices, float(over.max())), turn
        if best.over <= 1 or turn - best_turn > _PATIENCE:
            break
        # Steps shrink, so that rows that flip between two codes come to rest.
        change = _STEP * cost / (1 + turn / pace) * np.clip(over - 1, -0.2, 1)
        prices = np.maximum(0, prices + change).astype(np.float32)
    assert best is not None
    return best


def overfull(codes: np.ndarray, weights: np.ndarray, size: int, limit: float) -> np.ndarray:
    """Return float64 (size,): the rows of each code by those it may have."""
    allowed = np.full(size, limit)
    if weights.max() > limit:
        np.maximum.at(allowed, codes, weights)
    return np.asarray(np.bincount(codes, weights, minlength=size) / allowed)
