"""What lists say of a pair: its strength, its score, the neighbour's own mean score, and the gap to the next rank."""

from __future__ import annotations

import numpy as np

FEATURES = ("strength", "score", "neighbour_mean", "gap")


def gaps(scores: np.ndarray, lengths: np.ndarray, k: int) -> np.ndarray:
    """Return float32, flat: by how much each score is above that of the next rank of its list, 0 at the last of the first `k`.

    `scores` float32, flat, are those of lists of `lengths` (n,), best first. Entries beyond the first `k` are spare ones, which
    updates use up: what is past the cut says nothing.
    """
    found = np.zeros(len(scores), np.float32)
    found[:-1] = scores[:-1] - scores[1:]
    ranks = np.arange(len(scores)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found[(ranks + 1 >= np.minimum(np.repeat(lengths, lengths), k))] = 0
    return found


def mean_scores(scores: np.ndarray, lengths: np.ndarray, k: int) -> np.ndarray:
    """Return float32 (n,): the mean of the first `k` scores of each list, NaN of an empty one."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    ranks = np.arange(len(scores)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = ranks < k
    sums = np.bincount(owners[first], weights=scores[first], minlength=len(lengths))
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.minimum(lengths, k), np.float32)


def features_of(
    strengths: np.ndarray, scores: np.ndarray, neighbour_means: np.ndarray, gaps_below: np.ndarray
) -> np.ndarray:
    """Return float64 (n, 4), in the order of FEATURES."""
    return np.stack([strengths, scores, neighbour_means, gaps_below], axis=1).astype(np.float64)
