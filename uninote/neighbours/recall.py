"""How much of the truth a join found, ties counted fairly."""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError


class RecallError(UninoteError):
    """The rankings cannot be compared."""


def tie_aware_recall(
    returned_scores_exact: np.ndarray, exact_scores: np.ndarray, k: int, tolerance: float = 1e-6
) -> float:
    """Return the share of the true top `k` that was found, over all rows.

    `returned_scores_exact` (m, any) holds the exact scores of the distinct neighbours that were returned, -inf in
    unused slots; `exact_scores` (m, >= k, or all there are) the best possible ones, best first, -inf where the
    corpus has no more. A neighbour counts when its score reaches the exact k-th, or the last available one. 1.0
    when there was nothing to find.
    """
    if len(returned_scores_exact) != len(exact_scores) or k < 1:
        raise RecallError(
            f"recall at {k} of {len(returned_scores_exact)} rows against {len(exact_scores)}; give the same rows to "
            "both, and k of at least 1"
        )
    best = exact_scores[:, :k]
    available = np.isfinite(best).sum(axis=1)
    asked = np.flatnonzero(available)
    if not len(asked):
        return 1.0
    limits = best[asked, available[asked] - 1].astype(np.float64) - tolerance
    reached = (returned_scores_exact[asked].astype(np.float64) >= limits[:, None]).sum(axis=1)
    return float(np.minimum(reached, available[asked]).sum() / available.sum())
