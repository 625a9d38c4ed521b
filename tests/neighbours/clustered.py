"""Clustered vectors, and the scores of all their pairs, for tests of the kernel."""

from __future__ import annotations

import numpy as np


def make_vectors(rows, width=24, clusters=8, seed=0):
    """Clustered unit vectors off the origin, as embeddings are."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, width)) + 0.5
    vectors = centres[generator.integers(0, clusters, rows)] + generator.standard_normal((rows, width)) / 2
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_scores(vectors):
    scores = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(scores, -np.inf)
    return scores
