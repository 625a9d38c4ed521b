"""How far a score lies above what a note scores with notes at random, which is comparable between notes as a cosine is not.

One note has .95 at rank 20, another .55 at rank 1. `strength` is (score - mean) / spread: the mean of the note's own
background, its scores with a sample of notes that is drawn with each full join and stays until the next, so that a night does
not move every value; and one spread for all, so that strengths read alike in any corpus. A spread of each note's own ranks
worse (docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.vectors.key_sets import among

BACKGROUND_NOTES = 1000  # in the sample
LEAST_NOTES = 30  # that must be left of it; fewer say nothing of a spread
_LEAST_SPREAD = 1e-5  # below it are roundings of equal scores


@dataclass(frozen=True)
class Background:
    """A sample of notes: their `keys` int64 ascending (m,), the `centre` float32 (width,) of their vectors, and the `spread`.

    That is the root mean square, over the notes, of the standard deviation of a note's scores with all of them.
    """

    keys: np.ndarray
    centre: np.ndarray
    spread: float

    @classmethod
    def of(cls, keys: np.ndarray, vectors: np.ndarray) -> Background:
        """Return that of vectors, float32 (m, width), whose `keys` are ascending; m may be 0."""
        count = max(1, len(keys))
        centre = vectors.sum(axis=0, dtype=np.float64) / count
        apart = vectors - centre
        covariance = apart.T @ apart / count
        # The variance of the scores of x is x' C x; the mean of that over all x is the sum over C times E[x x'].
        variance = float((covariance * (covariance + np.outer(centre, centre))).sum())
        return cls(keys, centre.astype(np.float32), float(np.sqrt(variance)))

    def of_rows(self, vectors: np.ndarray) -> np.ndarray:
        """Return float32 (n, 2): the mean of the scores of n vectors with all of the sample, and the spread."""
        return np.stack([vectors @ self.centre, np.full(len(vectors), self.spread, np.float32)], axis=1)


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
    count = len(lists.owners)
    left = len(sample) - itself - np.bincount(owner, minlength=count)
    sums = itself + np.bincount(owner, lists.scores[inside].astype(np.float64), minlength=count)
    mean, spread = backgrounds.astype(np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = (len(sample) * mean - sums) / left
        spread[(left < LEAST_NOTES) | (spread < _LEAST_SPREAD)] = np.nan
        flat = (np.repeat(one.astype(np.float32), lists.lengths) for one in (rest, spread))
        return np.asarray((lists.scores - next(flat)) / next(flat), np.float32)
