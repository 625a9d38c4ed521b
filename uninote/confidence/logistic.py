"""A weighted logistic regression by Newton's method, with a small ridge."""

from __future__ import annotations

import numpy as np

RIDGE = 1.0  # half of its square is added for each coefficient but the constant, as one pair of weight 1 may add
_STEPS = 100
_CLOSE = 1e-10


def fit_logistic(features: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return float64 (d + 1,), the constant first: the least sum of weighted log losses plus RIDGE / 2 · |coefficients|².

    `features` float64 (n, d) should be standardised; `shares` float64 (n,), 0 to 1, are how many of a pair's judges said yes;
    `weights` float64 (n,).
    """
    matrix = np.column_stack([np.ones(len(features)), features])
    ridge = np.full(matrix.shape[1], RIDGE)
    # Of the constant next to nothing: it is the base rate, which nobody wants nearer to a half.
    ridge[0] = 1e-6
    found = np.zeros(matrix.shape[1])
    loss = _loss(matrix, shares, weights, ridge, found)
    for _ in range(_STEPS):
        chance = sigmoid(matrix @ found)
        gradient = matrix.T @ (weights * (chance - shares)) + ridge * found
        curvature = (matrix * (weights * chance * (1 - chance))[:, None]).T @ matrix + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        # Newton's step may go too far where chances are near 0 or 1: halved until it helps.
        while (tried := _loss(matrix, shares, weights, ridge, found - step)) > loss and np.abs(step).max() > _CLOSE:
            step = step / 2
        found, loss = found - step, tried
        if np.abs(step).max() <= _CLOSE:
            break
    return found


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e^-x) of each value."""
    return np.asarray(0.5 * (1 + np.tanh(values / 2)))


def _loss(
    matrix: np.ndarray, shares: np.ndarray, weights: np.ndarray, ridge: np.ndarray, coefficients: np.ndarray
) -> float:
    values = matrix @ coefficients
    losses = np.logaddexp(0, values) - shares * values
    return float(weights @ losses + ridge @ coefficients**2 / 2)
