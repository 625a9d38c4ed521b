"""How much of the truth a join found, ties counted fairly, and the exact scores of what it found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.results.lists import Lists


class RecallError(UninoteError):
    """The rankings cannot be compared."""


def tie_aware_recall(
    returned_scores_exact: np.ndarray, exact_scores: np.ndarray, k: int, tolerance: float = 1e-6
) -> float:
    """Return the share of the true top `k` that was found, over all rows, as `count_found` counts; 1.0 if none had any."""
    found, available = count_found(returned_scores_exact, exact_scores, k, tolerance)
    return float(found.sum() / available.sum()) if available.any() else 1.0


def count_found(
    returned_scores_exact: np.ndarray, exact_scores: np.ndarray, k: int, tolerance: float = 1e-6
) -> tuple[np.ndarray, np.ndarray]:
    """Return two int64 (m,): how many of its true top `k` each row found, and how many there were to find.

    `returned_scores_exact` (m, any) holds the exact scores of the distinct neighbours that were returned, -inf in
    unused slots; `exact_scores` (m, >= k, or all there are) the best possible ones, best first, -inf where the
    corpus has no more. A neighbour counts when its score reaches the exact k-th, or the last available one.
    """
    if len(returned_scores_exact) != len(exact_scores) or k < 1:
        raise RecallError(
            f"recall at {k} of {len(returned_scores_exact)} rows against {len(exact_scores)}; give the same rows to "
            "both, and k of at least 1"
        )
    best = exact_scores[:, :k]
    available = np.isfinite(best).sum(axis=1)
    found = np.zeros(len(best), np.int64)
    asked = np.flatnonzero(available)
    limits = best[asked, available[asked] - 1].astype(np.float64) - tolerance
    reached = (returned_scores_exact[asked].astype(np.float64) >= limits[:, None]).sum(axis=1)
    found[asked] = np.minimum(reached, available[asked])
    return found, available


def known_scores(keys: np.ndarray, truth: Lists) -> np.ndarray:
    """Return float32 (m, any): the scores of those of `keys`, int64 (m, any), that are in the `truth` of the same row.

    -inf for the others. What a join found is mostly true, so that hardly any scores are left to compute.
    """
    same = (keys[:, :, None] == truth.ids[:, None, :]) & (keys >= 0)[:, :, None]
    candidates = np.where(same, truth.scores[:, None, :], np.float32(-np.inf))
    scores: np.ndarray = candidates.max(axis=2, initial=-np.inf)
    return scores


def exact_scores(queries: np.ndarray, batches: Iterator[tuple[np.ndarray, np.ndarray]], keys: np.ndarray) -> np.ndarray:
    """Return float32 (m, k): each query's inner product with the corpus rows that `keys` (m, k) names.

    The corpus comes in batches of (keys, vectors). -inf where the key is -1 or in no batch, so that a neighbour from
    nowhere never counts as a hit.
    """
    scores = np.full(keys.shape, -np.inf, dtype=np.float32)
    wide = queries.astype(np.float64)
    for batch_keys, vectors in batches:
        rows, slots, places = _occurrences(keys, batch_keys)
        scores[rows, slots] = np.einsum("ij,ij->i", wide[rows], vectors[places].astype(np.float64))
    return scores


def _occurrences(keys: np.ndarray, batch_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows, slots, places) such that keys[rows, slots] == batch_keys[places]."""
    order = np.argsort(batch_keys)
    rows, slots = np.nonzero(np.isin(keys, batch_keys) & (keys >= 0))
    return rows, slots, order[np.searchsorted(batch_keys, keys[rows, slots], sorter=order)]
