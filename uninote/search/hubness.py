"""How near a note is to whatever is asked: hubs, near to every query, are ranked lower by it.

The dual of the softmax over notes: a note that many queries of a bank come near to is a worse answer to each of them. The bank
is of queries, not of notes, as a note with copies is no hub of queries (docs/decisions.md).
"""

from __future__ import annotations

import numpy as np

LEAST_QUERIES = 100  # in a bank: with 50, recall may fall as well as rise
_BLOCK_SCORES = 4 << 20  # 16 MiB of float32 are held at a time


def hubness(vectors: np.ndarray, bank: np.ndarray, temperature: float) -> np.ndarray:
    """Return float32 (n,), in units of scores: how near notes, float32 (n, d), are to a bank of queries, float32 (m, d).

    That is the logarithm of the mean of the exponentials of a note's scores with the bank, each over the temperature, times the
    temperature: the mean score where it is high, the best where it is low.
    """
    found = np.empty(len(vectors), np.float32)
    rows = max(1, _BLOCK_SCORES // len(bank))
    for first in range(0, len(vectors), rows):
        scores = vectors[first : first + rows] @ bank.T
        found[first : first + rows] = log_mean_exp(scores, temperature)
    return found


def log_mean_exp(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return float64 (n,) of the scores of n notes with a bank, (n, m)."""
    best = scores.max(axis=1, keepdims=True)
    # Less the best, so that no exponential is too large; at low temperatures they would be.
    means = np.exp((scores - best) / temperature).mean(axis=1, dtype=np.float64)
    return np.asarray(best[:, 0] + temperature * np.log(means))


def skewness(counts: np.ndarray) -> float:
    """Return the third standardised moment of how many lists each note is in, (notes,): high where few are in most."""
    apart = counts - counts.mean()
    spread = (apart**2).mean()
    return float((apart**3).mean() / spread**1.5) if spread > 0 else 0.0
