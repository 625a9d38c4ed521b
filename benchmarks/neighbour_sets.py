"""The vectors that neighbours are searched among: two real sets, two synthetic ones, and any size of the last."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NAMES = {"a": "docstring", "b": "fashion", "c": "clustered", "d": "large", "e": "million", "f": "two_millions"}
CLUSTER_ROWS = 500  # in the growing set, so that more rows mean more clusters and not denser ones


def vectors_of(letter: str, data: Path) -> np.ndarray:
    """Return float32 (n, width) unit vectors; `data` holds docstring_embeddings/ and fashion_mnist/."""
    if letter == "a":
        return _unit(np.load(data / "docstring_embeddings" / "vectors_fp16.npy").astype(np.float32))
    if letter == "b":
        pictures = np.load(data / "fashion_mnist" / "fashion_mnist.npz")
        return _unit(np.concatenate([pictures["x_train"], pictures["x_test"]]).reshape(70_000, -1).astype(np.float32))
    if letter == "c":
        return clustered(100_000, 256, 1000)
    if letter == "d":
        return growing(500_000)
    return growing(1_000_000 if letter == "e" else 2_000_000, 64)


def growing(rows: int, width: int = 128) -> np.ndarray:
    """Return float32 (rows, width): as hard at any size."""
    return clustered(rows, width, max(1, rows // CLUSTER_ROWS))


def clustered(rows: int, width: int, clusters: int) -> np.ndarray:
    """Return unit vectors around so many random centres, as far from them as the centres are from the origin."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((clusters, width), dtype=np.float32)
    vectors = centres[generator.integers(0, clusters, rows)]
    for start in range(0, rows, 100_000):
        part = vectors[start : start + 100_000]
        part += generator.standard_normal(part.shape, dtype=np.float32)
    return _unit(vectors)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def best_scores(vectors: np.ndarray, sample: np.ndarray, k: int) -> np.ndarray:
    """Return float32 (sample, k): the exact scores of the k best other rows of each sampled row, best first."""
    best = np.empty((len(sample), k), dtype=np.float32)
    for start in range(0, len(sample), 100):
        rows = sample[start : start + 100]
        scores = vectors[rows] @ vectors.T
        scores[np.arange(len(rows)), rows] = -np.inf
        best[start : start + 100] = -np.sort(-np.partition(scores, -k, axis=1)[:, -k:], axis=1)
    return best


def scores_of(vectors: np.ndarray, sample: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return float32 (sample, k): the scores of the neighbours named, -inf for -1, for the row itself and repeats."""
    scores = np.einsum("ij,ikj->ik", vectors[sample], vectors[np.maximum(ids, 0)])
    ordered = np.sort(ids, axis=1)
    assert not ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(), "a neighbour is named twice"
    return np.where((ids < 0) | (ids == sample[:, None]), -np.inf, scores)
