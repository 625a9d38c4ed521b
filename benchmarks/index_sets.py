"""The vectors that indexes are built of: two real sets, and drawn clusters, at several widths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from neighbour_sets import vectors_of

WIDTHS = {"docstring": (64, 128, 256, 384), "fashion": (64, 256, 784), "clusters": (64, 128)}
WIDEST = {name: widths[-1] for name, widths in WIDTHS.items()}
_LETTERS = {"docstring": "a", "fashion": "b"}  # in neighbour_sets


def load(name: str, width: int, data: Path, rows: int) -> np.ndarray:
    """Return float32 (n, width) unit vectors of a set; `rows` is the number of clusters' rows."""
    if name == "clusters":
        return _clusters(rows, width)
    vectors = vectors_of(_LETTERS[name], data)
    if width < vectors.shape[1]:
        if name == "fashion":
            # The first pixels of a picture are its border: principal axes are what an encoder's first columns would be.
            vectors = vectors @ np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1].astype(np.float32)
        vectors = vectors[:, :width]
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _clusters(rows: int, width: int) -> np.ndarray:
    """Return clustered unit vectors: a thousand centres, noise as long as a centre."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((1000, width), dtype=np.float32)
    vectors = centres[generator.integers(0, 1000, rows)] + generator.standard_normal((rows, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
