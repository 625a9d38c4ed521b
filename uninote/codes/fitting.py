"""A codebook fitted to a sample: k-means on the vectors, then on what each level leaves, balanced, without dead codes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uninote.codes.balance import balance, overfull
from uninote.codes.codebook import Codebook, TooFewNotesError
from uninote.codes.nearest import BLOCK_ROWS, nearest_in_blocks
from uninote.vectors.kmeans import check_vectors

# A code's rows in a sample vary by the square root of how many should be there: so often below the limit, all notes keep it.
_DEVIATIONS = 4
_FIRST_ROWS = 128  # for each code, that most rounds are made of
_LAST_ROUNDS = 10
_DEAD = 0.1  # of the mean rows of a code, below which a code counts as dead
_SPARE = 0.6  # below which it gives its rows up where others have too many
# Rows of what a level leaves are far apart, and as centroids all about as near to any row: half as long, directions count.
_SHRUNK = 0.5


@dataclass(frozen=True)
class FitSettings:
    """How codes are fitted: `levels` of `size` codes each, of which none has more than `most` times 1/size of the notes."""

    levels: int = 3
    size: int = 256
    most: float = 3.0
    rounds: int = 24
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
    # Equal vectors have equal products with any other, and different ones hardly have.
    direction = np.random.default_rng(0).standard_normal(vectors.shape[1])
    products = np.einsum("nd,d->n", vectors, direction)
    _, first, counts = np.unique(products, return_index=True, return_counts=True)
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
    few = _part_of(sample, _FIRST_ROWS * size, random)
    centroids = _SHRUNK * few.vectors[np.sort(random.choice(len(few.vectors), size, replace=False))]
    prices = np.zeros(size, np.float32)
    for _ in range(max(0, settings.rounds - _LAST_ROUNDS)):
        codes = _nearest(few, centroids, prices)
        centroids = _means(few, codes, centroids)
        _refill(few, codes, centroids, _limit(few, settings))
    # Most moves are made on a part of the sample, and the last ones on all of it.
    for _ in range(min(settings.rounds, _LAST_ROUNDS)):
        codes, prices = _balanced(sample, centroids, prices, settings)
        centroids = _means(sample, codes, centroids)
    return centroids, _balanced(sample, centroids, prices, settings)[1]


def _balanced(
    sample: _Sample, centroids: np.ndarray, prices: np.ndarray, settings: FitSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of a sample and prices by which none has too many rows; the given ones where that is so already."""
    limit = _limit(sample, settings)
    codes = _nearest(sample, centroids, prices)
    if overfull(codes, sample.weights, settings.size, limit).max() <= 1:
        return codes, prices
    found = balance(_distances(sample.vectors, centroids), prices, sample.weights, limit)
    return found.codes, found.prices


def _part_of(sample: _Sample, rows: int, random: np.random.Generator) -> _Sample:
    if rows >= len(sample.vectors):
        return sample
    chosen = np.sort(random.choice(len(sample.vectors), rows, replace=False))
    return _Sample(sample.vectors[chosen], sample.weights[chosen])


def _limit(sample: _Sample, settings: FitSettings) -> int:
    """Return how many rows of a sample a code may have, so that it has no more than it may of all notes."""
    rows = settings.most * float(sample.weights.sum()) / settings.size
    return math.ceil(max(rows - _DEVIATIONS * math.sqrt(rows), rows / 2))


def _nearest(sample: _Sample, centroids: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Return int64 (n,): the codes that cost least, a block at a time.

    Roughly will do here: notes are coded by `nearest_codes`.
    """
    codes = np.empty(len(sample.vectors), np.int64)
    for first in range(0, len(codes), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        costs = _scores(sample.vectors[rows], centroids)
        costs += prices
        codes[rows] = costs.argmin(axis=1)
    return codes


def _scores(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return float32 (n, size): squared distances less the squares of the vectors."""
    found = vectors @ (-2 * centroids.T)
    found += np.einsum("kd,kd->k", centroids, centroids)
    return np.asarray(found)


def _distances(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return float32 (n, size): squared distances, at least 0."""
    found = _scores(vectors, centroids)
    found += np.einsum("nd,nd->n", vectors, vectors)[:, None]
    np.maximum(found, 0, out=found)
    return found


def _means(sample: _Sample, codes: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return float32 (size, width): the mean of each code's vectors, and where it has none what it was before."""
    order = np.argsort(codes, kind="stable")
    used, starts = np.unique(codes[order], return_index=True)
    weights = sample.weights[order].astype(np.float32)
    ordered = sample.vectors[order]
    ordered *= weights[:, None]
    means = before.copy()
    means[used] = np.add.reduceat(ordered, starts, axis=0) / np.add.reduceat(weights, starts)[:, None]
    return means


def _refill(sample: _Sample, codes: np.ndarray, centroids: np.ndarray, limit: int) -> None:
    """Let codes with next to no rows, and with few where others have too many, share those of the fullest ones, in place."""
    counts = np.bincount(codes, sample.weights, minlength=len(centroids))
    # How many more codes the rows of each would fill; then one more for each, the fullest first.
    more = np.maximum(np.ceil(counts / limit).astype(np.int64) - 1, 0)
    wanted = np.concatenate([np.repeat(np.arange(len(counts)), more), np.argsort(-counts, kind="stable")])
    by_count = np.argsort(counts, kind="stable")
    is_spare = counts[by_count] < np.where(np.arange(len(counts)) < more.sum(), _SPARE, _DEAD) * counts.mean()
    order = np.argsort(codes, kind="stable")
    rows = np.bincount(codes, minlength=len(centroids))
    starts = np.cumsum(rows) - rows
    for turn, (code, full) in enumerate(zip(by_count[is_spare].tolist(), wanted.tolist(), strict=False)):
        if rows[full] > 1:
            # Half-way to one of the code's rows: rows on that side go over, and no code is left to a single odd row.
            row = order[starts[full] + turn % rows[full]]
            centroids[code] = (centroids[full] + sample.vectors[row]) / 2
