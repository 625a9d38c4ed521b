"""A recall that was measured on a sample: how far that of all rows may be from it, and its names in the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

AT_K = "at_k"  # what the recall of lists, or of searches in an index, is called the recall of
_NORMAL_95 = 1.959964  # the 97.5th percentile of the normal distribution


def name_of(of: str) -> str:
    """Return the name in the ledger's metrics of the recall of something."""
    return f"recall_{of}"


@dataclass(frozen=True)
class Estimate:
    """A recall, and the ends of its 95 % confidence interval; those are null where an earlier release measured it."""

    recall: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def metrics(self, of: str) -> dict[str, float]:
        """Return it as metrics of the ledger; `of` is what it is the recall of, by `name_of`."""
        metrics = {name_of(of): self.recall}
        if self.interval is not None:
            metrics[f"recall_low_{of}"], metrics[f"recall_high_{of}"] = self.interval
        return metrics

    @classmethod
    def of(cls, metrics: Mapping[str, float], of: str) -> Estimate:
        """Return the one that is stored among metrics of the ledger; KeyError where there is none."""
        return cls(metrics[name_of(of)], metrics.get(f"recall_low_{of}"), metrics.get(f"recall_high_{of}"))

    def __str__(self) -> str:
        """Return it for a line of the log."""
        if self.interval is None:
            return f"{self.recall:.4f}"
        return f"{self.recall:.4f} (95 % interval {self.low:.4f} to {self.high:.4f})"


def estimate_recall(found: np.ndarray, available: np.ndarray, rows: int) -> Estimate:
    """Return the recall of all `rows` by a simple random sample of them.

    `found`, int64 (m,), is how many of the `available` ones, int64 (m,), each sampled row has found. The interval is Wilson's
    (1927) for as many independent pairs as would vary like the recalls of the sampled rows, since pairs of one row are found or
    missed together: the modified Wilson interval of samples in clusters (Korn and Graubard 1998). A normal interval would
    reach beyond 1 near 1, and have no width at 1.
    """
    if not available.any():
        return Estimate(1.0, 1.0, 1.0)
    recall = float(found.sum() / available.sum())
    unseen = 1 - len(found) / rows
    if unseen <= 0:
        return Estimate(recall, recall, recall)
    spread = _NORMAL_95**2 * unseen / _independent_pairs(found, available)
    middle = (recall + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (recall * (1 - recall) + spread / 4)) / (1 + spread)
    # The ends of [0, 1] belong to the interval of a recall of 0 or 1, whatever the sums are rounded to.
    return Estimate(recall, max(0.0, min(recall, middle - half)), min(1.0, max(recall, middle + half)))


def _independent_pairs(found: np.ndarray, available: np.ndarray) -> float:
    """Return how many independent pairs would estimate the recall as well as the sample's rows do.

    That is p (1 - p) over the variance of a ratio of two sums (Cochran, Sampling Techniques, 1977, 6.13).
    """
    asked = int(np.count_nonzero(available))
    pairs = int(available.sum())
    recall = found.sum() / pairs
    if recall in (0, 1) or asked == 1:
        # Nothing varies, so nothing says how alike the pairs of one row are: each row counts as one.
        return float(asked)
    variance = asked / (asked - 1) * np.square(found - recall * available).sum() / pairs**2
    return float(min(pairs, recall * (1 - recall) / variance)) if variance > 0 else float(pairs)
