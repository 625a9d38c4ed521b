"""Two dimensions to look at: where branches lie, by principal components of their centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Places:
    """float64 (branches, 2), between 0 and 1; and which share of the centres' variance the two dimensions hold."""

    points: np.ndarray
    share: float


def places_of(centres: np.ndarray, notes: np.ndarray) -> Places:
    """Return where branches with these centres, float (branches, width), and so many notes lie in the plane.

    Branches count by their notes. Both dimensions have one scale, so that distances can be compared; the same centres give the
    same places.
    """
    weights = notes / max(1, notes.sum())
    centred = centres.astype(np.float64) - weights @ centres
    _, sizes, axes = np.linalg.svd(centred * np.sqrt(weights)[:, None], full_matrices=False)
    plane = axes[:2]
    # An axis has no direction of its own: its largest part decides.
    largest = np.take_along_axis(plane, np.abs(plane).argmax(1)[:, None], axis=1)
    points = np.zeros((len(centres), 2))
    points[:, : len(plane)] = centred @ (plane * np.sign(largest)).T
    total = float((sizes**2).sum())
    return Places(_in_unit_square(points), float((sizes[:2] ** 2).sum()) / total if total > 0 else 1.0)


def _in_unit_square(points: np.ndarray) -> np.ndarray:
    low, high = points.min(0), points.max(0)
    span = float((high - low).max())
    if span == 0:
        return np.full_like(points, 0.5)
    placed: np.ndarray = (points - (low + high) / 2) / span + 0.5
    return placed
