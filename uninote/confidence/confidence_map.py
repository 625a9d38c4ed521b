"""From what lists say of a pair to how likely it is relevant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.confidence.isotonic import fit_isotonic
from uninote.confidence.logistic import fit_logistic, sigmoid

FROM_JUDGMENTS = 1000  # pairs from which the logistic curve is bent to what was judged
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class ConfidenceMap:
    """A logistic curve over standardised features, and steps on its output; no steps where there were too few judgments.

    `centres` and `spreads` are those of the features in the fit, `coefficients` has the constant first.
    """

    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    coefficients: tuple[float, ...]
    knots: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()

    def of(self, features: np.ndarray) -> np.ndarray:
        """Return float32 (n,), 0 to 1, of features (n, d); NaN where one of them is."""
        found = self.curve(features)
        # NaN stays NaN.
        return np.interp(found, self.knots, self.steps).astype(np.float32) if self.knots else found

    def curve(self, features: np.ndarray) -> np.ndarray:
        """Return what the curve says, before the steps; float32 (n,)."""
        slopes = np.array(self.coefficients[1:]) / self.spreads
        values = np.full(len(features), self.coefficients[0] - slopes @ self.centres, np.float32)
        # Column by column: a copy of all features in standard form takes as long as all the rest.
        for slope, column in zip(slopes.astype(np.float32), features.T, strict=True):
            values += slope * column.astype(np.float32, copy=False)
        return sigmoid(values)


def fit_map(features: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> ConfidenceMap:
    """Return the map that fits `shares` float64 (n,) of yes best, of features float64 (n, d) without NaN, `weights` (n,)."""
    centres = np.average(features, axis=0, weights=weights)
    spreads = np.sqrt(np.average((features - centres) ** 2, axis=0, weights=weights))
    spreads[spreads < _LEAST_SPREAD] = 1.0
    found = fit_logistic((features - centres) / spreads, shares, weights)
    curve = ConfidenceMap(_floats(centres), _floats(spreads), _floats(found))
    if len(shares) < FROM_JUDGMENTS:
        return curve
    knots, steps = fit_isotonic(curve.curve(features), shares, weights)
    # All of a step may have said the same; nobody is sure of the next pair.
    doubt = 1 / (len(shares) + 2)
    return ConfidenceMap(
        curve.centres, curve.spreads, curve.coefficients, _floats(knots), _floats(np.clip(steps, doubt, 1 - doubt))
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))


def cosine_map(scores: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> ConfidenceMap:
    """Return a map of the score alone, which others are compared with."""
    return fit_map(scores[:, None], shares, weights)
