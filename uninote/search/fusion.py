"""Late fusion: how well a note fits each part of a query, comparable between parts, so that fitting one alone is not enough.

A picture scores other notes higher than a text does, whatever they show. So each part's scores are held against that part's
own background, its scores with a sample of notes, before they are put together.
"""

from __future__ import annotations

import numpy as np

_LEAST_SPREAD = 1e-5  # below it are roundings of equal scores


def background_of(queries: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Return float32 (n, 2): mean and spread of the scores of n parts with a sample, float32 (n, d) and (m, d).

    Where all score alike, or the sample is empty, the spread is the least one, and the mean of nothing is 0.
    """
    if not len(sample):
        return np.tile(np.array([0.0, _LEAST_SPREAD], np.float32), (len(queries), 1))
    scores = queries @ sample.T
    spread = np.maximum(scores.std(axis=1), _LEAST_SPREAD)
    return np.stack([scores.mean(axis=1), spread], axis=1).astype(np.float32)


def strength_of(scores: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
    """Return (score - mean) / spread of scores (n,), the backgrounds (n, 2) of whose parts `background_of` returned."""
    return np.asarray((scores - backgrounds[:, 0]) / backgrounds[:, 1], np.float32)


def log_fit(strengths: np.ndarray) -> np.ndarray:
    """Return the logarithm of the logistic function, at most 0: the sum over the parts ranks notes.

    A part that fits well adds next to nothing, one that does not takes away as much as it lacks.
    """
    return np.asarray(-np.logaddexp(0.0, -strengths), np.float32)
