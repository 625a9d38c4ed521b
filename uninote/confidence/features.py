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
    starts = np.cumsum(lengths) - lengths
    if len(lengths) and (lengths == lengths[0]).all():
        found.reshape(len(lengths), -1)[:, max(0, min(int(lengths[0]), k) - 1) :] = 0
        return found
    ranks = np.arange(len(scores)) - np.repeat(starts, lengths)
    found[ranks + 1 >= np.minimum(np.repeat(lengths, lengths), k)] = 0
    return found


def mean_scores(scores: np.ndarray, lengths: np.ndarray, k: int) -> np.ndarray:
    """Return float32 (n,): the mean of the first `k` scores of each list, NaN of an empty one."""
    # Differences of running sums: twelve million scores one by one take three times as long.
    reached = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
    starts = np.cumsum(lengths) - lengths
    counts = np.minimum(lengths, k)
    with np.errstate(invalid="ignore"):
        return np.asarray((reached[starts + counts] - reached[starts]) / counts, np.float32)


def features_of(
    strengths: np.ndarray, scores: np.ndarray, neighbour_means: np.ndarray, gaps_below: np.ndarray
) -> np.ndarray:
    """Return float32 (n, 4), in the order of FEATURES, column by column."""
    found = np.empty((len(FEATURES), len(scores)), np.float32)
    for place, values in enumerate((strengths, scores, neighbour_means, gaps_below)):
        found[place] = values
    return found.T
