"""A codebook fitted to a sample: k-means on the vectors, then on what each level leaves, balanced, without dead codes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uninote.codes.balance import balance
from uninote.codes.codebook import Codebook, TooFewNotesError
from uninote.codes.nearest import nearest_in_blocks
from uninote.vectors.health import equal_marks
from uninote.vectors.kmeans import check_vectors

# A code's rows in a sample vary by the square root of how many should be there: so often below the limit, all notes keep it.
_DEVIATIONS = 4


@dataclass(frozen=True)
class FitSettings:
    """How codes are fitted: `levels` of `size` codes each, of which none has more than `most` times 1/size of the notes."""

    levels: int = 3
    size: int = 256
    most: float = 3.0
    rounds: int = 12
    seed: int = 0


@dataclass(frozen=True)
class _Sample:
    """Different vectors, float32 (n, width), and how many of each there are, float64 (n,)."""

    vectors: np.ndarray
    weights: np.ndarray


def fit_codebook(vectors: np.ndarray, settings: FitSettings, generation: str, version: int = 1) -> Codebook:
    """Return a codebook fitted to `vectors`, float32 (n, width), all of one generation; deterministic given the seed.

    Raises TooFewNotesError where there are fewer different vectors than codes, ClusteringError for NaN and other types.
    """
    check_vectors(vectors)
    sample = _different(vectors, settings.size)
    centre = np.average(sample.vectors, axis=0, weights=sample.weights).astype(np.float32)
    left = sample.vectors - centre
    random = np.random.default_rng(settings.seed)
    centroids, prices, errors = [], [], []
    for _ in range(settings.levels):
        fitted = _fit_level(_Sample(left, sample.weights), settings, random)
        left -= fitted[0][nearest_in_blocks(left, *fitted)]
        centroids.append(fitted[0])
        prices.append(fitted[1])
        errors.append(float(np.average(np.einsum("nd,nd->n", left, left), weights=sample.weights)))
    return Codebook(version, generation, centre, np.stack(centroids), np.stack(prices), tuple(errors))


def _different(vectors: np.ndarray, size: int) -> _Sample:
    """Return the different vectors. Raises TooFewNotesError where they are too few."""
    if len(vectors) < size:
        raise TooFewNotesError(
            f"{len(vectors):,} notes with a vector are fewer than the {size} codes of a level; set codes.size to less, or "
            "code more notes"
        )
    _, first, counts = np.unique(equal_marks(vectors), return_index=True, return_counts=True)
    if len(first) == 1:
        raise TooFewNotesError(
            f"all {len(vectors):,} vectors are equal, so that codes can tell no two notes apart; embed again"
        )
    if len(first) < size:
        raise TooFewNotesError(
            f"{len(vectors):,} notes have {len(first):,} different vectors, fewer than the {size} codes of a level; set "
            "codes.size to less"
        )
    return _Sample(vectors[first], counts.astype(np.float64))


def _fit_level(sample: _Sample, settings: FitSettings, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (centroids float32 (size, width), prices float32 (size,)) of one level."""
    size = settings.size
    limit = _limit(settings.most * float(sample.weights.sum()) / size)
    centroids = sample.vectors[np.sort(random.choice(len(sample.vectors), size, replace=False))]
    prices = np.zeros(size, np.float32)
    for _ in range(settings.rounds):
        distances = _distances(sample.vectors, centroids)
        codes, prices, _ = balance(distances, prices, sample.weights, limit)
        centroids = _means(sample, codes, centroids)
        _refill(sample, codes, distances, centroids, prices)
    return centroids, balance(_distances(sample.vectors, centroids), prices, sample.weights, limit).prices


def _limit(rows: float) -> int:
    """Return how many rows of a sample a code may have, so that it has at most `rows` in proportion among all notes."""
    return math.ceil(max(rows - _DEVIATIONS * math.sqrt(rows), rows / 2))


def _distances(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return float32 (n, size): squared distances, at least 0."""
    found = vectors @ (-2 * centroids.T)
    found += np.einsum("kd,kd->k", centroids, centroids)
    found += np.einsum("nd,nd->n", vectors, vectors)[:, None]
    np.maximum(found, 0, out=found)
    return np.asarray(found)


def _means(sample: _Sample, codes: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return float32 (size, width): the mean of each code's vectors, and where it has none what it was before."""
    order = np.argsort(codes, kind="stable")
    used, starts = np.unique(codes[order], return_index=True)
    weights = sample.weights[order].astype(np.float32)
    sums = np.add.reduceat(sample.vectors[order] * weights[:, None], starts, axis=0)
    means = before.copy()
    means[used] = sums / np.add.reduceat(weights, starts)[:, None]
    return means


def _refill(
    sample: _Sample, codes: np.ndarray, distances: np.ndarray, centroids: np.ndarray, prices: np.ndarray
) -> None:
    """Move the centroids of codes that no row has to the rows that are coded worst, in place."""
    dead = np.flatnonzero(np.bincount(codes, minlength=len(centroids)) == 0)
    own = distances[np.arange(len(codes)), codes]
    worst = np.argsort(-own, kind="stable")[: len(dead)]
    centroids[dead] = sample.vectors[worst]
    prices[dead] = 0
