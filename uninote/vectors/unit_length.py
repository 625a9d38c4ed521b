"""Vectors are of unit length, or something happened to them: what every reading of stored vectors compares."""

from __future__ import annotations

import numpy as np

from uninote.lake.parquet_files import DamagedFileError, remedy_of

TOLERANCE = 1e-3
"""How far a squared length may be from 1. float32 is off by some 1e-6."""


def check_unit(vectors: np.ndarray, place: str) -> None:
    """Raise DamagedFileError, naming the `place`, unless each of `vectors`, float32 (n, width), is of unit length."""
    wrong = np.flatnonzero(~are_unit(vectors))
    if len(wrong):
        raise DamagedFileError(
            f"{place} has {len(wrong):,} of {len(vectors):,} vectors that are not of unit length (the first one's is "
            f"{np.linalg.norm(vectors[wrong[0]].astype(np.float64)):.6g}){remedy_of(place)}"
        )


def are_unit(vectors: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `vectors`, float32 (n, width), are of unit length."""
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("nd,nd->n", vectors, vectors)
    # A NaN is not near 1 either.
    return np.asarray(np.abs(squared - 1) <= TOLERANCE)
