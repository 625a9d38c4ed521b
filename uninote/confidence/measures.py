"""How good a map is: Brier score, calibration error, and precision, each with an interval by notes drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uninote.confidence.judged_pairs import JudgedPairs

BINS = 10  # of equal weight, by what the map says
_DRAWS = 1000
_FOLDS = 5
_PERFECT_DRAWS = 200


@dataclass(frozen=True)
class Measured:
    """A mean, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """Pairs of which a map says about the same: its mean `chance`, the mean `share` of yes, and their `weight` of all."""

    chance: float
    share: float
    weight: float


def mean_by_note(values: np.ndarray, weights: np.ndarray, notes: np.ndarray, seed: int = 0) -> Measured:
    """Return the weighted mean of `values` (n,), with the interval of it where notes (n,) are drawn again, pairs and all."""
    _, owner = np.unique(notes, return_inverse=True)
    above = np.bincount(owner, weights=weights * values)
    below = np.bincount(owner, weights=weights)
    drawn = np.random.default_rng(seed)
    means = []
    for _ in range(_DRAWS):
        again = np.bincount(drawn.integers(0, len(below), len(below)), minlength=len(below))
        means.append(float(again @ above) / float(again @ below))
    low, high = np.quantile(means, [0.025, 0.975])
    return Measured(float(above.sum() / below.sum()), float(low), float(high))


def bins_of(chances: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> list[Bin]:
    """Return what was said and what was judged, in BINS of about equal weight, of all in order of what was said."""
    order = np.argsort(chances, kind="stable")
    reached = np.cumsum(weights[order])
    number = np.minimum((BINS * (reached - weights[order] / 2) / reached[-1]).astype(int), BINS - 1)
    found = []
    for one in range(BINS):
        inside = order[number == one]
        if len(inside):
            own = weights[inside]
            chance, share = np.average(chances[inside], weights=own), np.average(shares[inside], weights=own)
            found.append(Bin(float(chance), float(share), float(own.sum() / reached[-1])))
    return found


def calibration_error(chances: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> float:
    """Return the expected calibration error: how far said and judged are apart, over the bins."""
    return sum(abs(one.chance - one.share) * one.weight for one in bins_of(chances, shares, weights))


def perfect_error(chances: np.ndarray, weights: np.ndarray, seed: int = 0) -> float:
    """Return the calibration error that `chances` would show on so many judgments if each were exactly right."""
    drawn = np.random.default_rng(seed)
    errors = []
    for _ in range(_PERFECT_DRAWS):
        shares = (drawn.random(len(chances)) < chances).astype(np.float64)
        errors.append(calibration_error(chances, shares, weights))
    return float(np.mean(errors))


@dataclass(frozen=True)
class Kept:
    """What the best `share` of all pairs are by something: the share of them that is relevant, and of the relevant ones."""

    share: float
    precision: float
    recall: float


def best_pairs(said: np.ndarray, pairs: JudgedPairs, kept: Sequence[float]) -> list[Kept]:
    """Return precision and recall of the best pairs by what is `said` of them, float64 (n,): of each of some shares."""
    order = np.argsort(-said, kind="stable")
    weights, relevant = pairs.weights[order], (pairs.weights * pairs.shares)[order]
    reached = np.cumsum(weights) / weights.sum()
    found = []
    for share in kept:
        count = max(1, int(np.searchsorted(reached, share - 1e-9)) + 1)
        inside = float(relevant[:count].sum())
        found.append(Kept(share, inside / float(weights[:count].sum()), inside / max(float(relevant.sum()), 1e-12)))
    return found


def held_out(pairs: JudgedPairs, fitted: Callable[[JudgedPairs], Callable[[JudgedPairs], np.ndarray]]) -> np.ndarray:
    """Return float64 (n,): what is said of each pair by a fit without its note, in a few folds of notes."""
    said = np.empty(len(pairs))
    _, owner = np.unique(pairs.notes, return_inverse=True)
    fold = np.random.default_rng(0).permutation(int(owner.max(initial=0)) + 1)[owner] % _FOLDS
    for number in range(_FOLDS):
        inside = np.flatnonzero(fold == number)
        rest = pairs.take(np.flatnonzero(fold != number))
        if len(inside):
            said[inside] = fitted(rest)(pairs.take(inside))
    return said
