"""How far a score lies above what a note scores with notes at random, which is comparable between notes as a cosine is not.

One note has .95 at rank 20, another .55 at rank 1. `strength` is (score - mean) / spread of the note's own background: its
scores with a sample of notes that is drawn with each full join and stays until the next, so that a night does not move every
value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.vectors.key_sets import among

BACKGROUND_NOTES = 1000  # in the sample
LEAST_NOTES = 30  # that must be left of it; fewer say nothing of a spread
_LEAST_SPREAD = 1e-5  # below it are roundings of equal scores
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class Background:
    """A sample of notes: its `keys` int64 ascending (m,), `centre` float32 (width,) and `covariance` of its vectors.

    With these two a note's mean and spread take a product of width x width, not of width x m.
    """

    keys: np.ndarray
    centre: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, vectors: np.ndarray) -> Background:
        """Return that of vectors, float32 (m, width), whose `keys` are ascending; m may be 0."""
        count = max(1, len(keys))
        centre = vectors.sum(axis=0, dtype=np.float64) / count
        apart = vectors - centre
        return cls(keys, centre.astype(np.float32), (apart.T @ apart / count).astype(np.float32))

    def of_rows(self, vectors: np.ndarray) -> np.ndarray:
        """Return float32 (n, 2): mean and spread of the scores of n vectors with all of the sample."""
        found = np.empty((len(vectors), 2), np.float32)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = vectors[start : start + _BLOCK_ROWS]
            found[start : start + len(block), 0] = block @ self.centre
            variance = np.einsum("ij,ij->i", block @ self.covariance, block)
            found[start : start + len(block), 1] = np.sqrt(np.maximum(variance, 0))
        return found


@dataclass(frozen=True)
class FlatScores:
    """Lists of n owners, flat: the `keys` int64 and `scores` float32 of their entries, and the `lengths` (n,) of the lists."""

    owners: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    lengths: np.ndarray


def strengths(lists: FlatScores, backgrounds: np.ndarray, sample: np.ndarray, k: int) -> np.ndarray:
    """Return float32, flat: (score - mean) / spread of each entry, NaN where its owner has no background to speak of.

    `backgrounds`, (n, 2), are what `Background.of_rows` returned, NaN where nobody did; `sample`, int64 ascending, the keys of
    its notes. Those of them that are among the first `k` of the list, and the owner itself, count for nothing: a note's
    relatives are no background.
    """
    starts = np.cumsum(lists.lengths) - lists.lengths
    # Few entries are of the sample: whose they are is looked up for these alone.
    inside = np.flatnonzero(among(lists.keys, sample))
    owner = np.searchsorted(starts, inside, side="right") - 1
    first = inside - starts[owner] < k
    inside, owner = inside[first], owner[first]
    itself = among(lists.owners, sample).astype(np.float64)  # with a score of 1
    scores = lists.scores[inside].astype(np.float64)
    count = len(lists.owners)
    left = len(sample) - itself - np.bincount(owner, minlength=count)
    sums = itself + np.bincount(owner, scores, minlength=count)
    squares = itself + np.bincount(owner, scores**2, minlength=count)
    mean, spread = backgrounds.astype(np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = (len(sample) * mean - sums) / left
        variance = (len(sample) * (spread**2 + mean**2) - squares) / left - rest**2
        apart = np.sqrt(np.maximum(variance, 0))
        apart[(left < LEAST_NOTES) | (apart < _LEAST_SPREAD)] = np.nan
        flat = (np.repeat(one.astype(np.float32), lists.lengths) for one in (rest, apart))
        return np.asarray((lists.scores - next(flat)) / next(flat), np.float32)
