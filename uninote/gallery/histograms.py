"""Bins of best scores: 2,001 of a thousandth each, of which the first begins at -1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINS = 2001
_STEPS = 1000
# Scores of equal vectors may be a rounding error short of a bin's beginning.
_ROUNDING = 1e-6


def bins_of(scores: np.ndarray) -> np.ndarray:
    """Return int16 of the same shape: the bin of each score, a cosine."""
    return np.clip(np.floor((scores + 1 + _ROUNDING) * _STEPS), 0, BINS - 1).astype(np.int16)


def begin_of(bin_number: int) -> float:
    """Return the least score of a bin."""
    return (bin_number - _STEPS) / _STEPS


def bin_from(threshold: float) -> int:
    """Return the first bin all of whose scores reach a threshold."""
    return int(np.clip(np.ceil((threshold + 1 - _ROUNDING) * _STEPS), 0, BINS))


def reaching(bins: Sequence[int], counts: Sequence[int], threshold: float) -> int:
    """Return how many notes of a histogram, `counts` by `bins`, reach a threshold, to a thousandth."""
    first = bin_from(threshold)
    return sum(count for number, count in zip(bins, counts, strict=True) if number >= first)


def dense(bins: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """Return int64 (BINS,): the notes of every bin."""
    found = np.zeros(BINS, np.int64)
    np.add.at(found, np.asarray(bins, np.int64), np.asarray(counts, np.int64))
    return found
