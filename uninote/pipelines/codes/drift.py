"""Whether a codebook still fits the notes that come."""

from __future__ import annotations

import numpy as np

from uninote.codes.codebook import Codebook
from uninote.pipelines.runtime.progress import say

ENOUGH_NOTES = 256  # to judge drift by: fewer say nothing


def drift_of(codebook: Codebook, errors: np.ndarray) -> float | None:
    """Return the mean of what new notes' codes leave by that of the notes of the fit's time; null of too few notes."""
    before = codebook.errors[-1]
    return float(errors.mean(dtype=np.float64)) / before if len(errors) >= ENOUGH_NOTES and before > 0 else None


def say_drift(codebook: Codebook, drift: float | None, limit: float) -> bool:
    """Say where new notes are coded worse than a limit, and what to do; returns whether they are."""
    if drift is None or drift <= limit:
        return False
    say(
        f"codes: codebook {codebook.version} does not fit new notes any more: their codes are off by {drift:.2f} times what "
        f"they were when it was fitted (codes.max_drift is {limit}); make another with jobs/codes.py --new-codebook"
    )
    return True
