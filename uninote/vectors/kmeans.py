"""k-means and nearest centroids, by FAISS, for whoever needs them.

Vectors of an encoder crowd into a narrow cone (an untrained one has every cosine above 0.9), so everything here uses
Euclidean distance, which a shift of all vectors leaves alone: on unit vectors it orders as the inner product does.
The arithmetic runs on centred vectors, because |x|² + |c|² - 2xc loses the small differences that matter in a cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from uninote.errors import UninoteError

_ROUNDS = 15
# Past this a larger sample moves centroids no further.
_TRAIN_ROWS_PER_CENTROID = 256


class ClusteringError(UninoteError):
    """The vectors cannot be clustered as asked."""


def compute_in_one_thread() -> None:
    """Make FAISS use one thread in this process, as Spark runs one task a core: call it first inside executors."""
    faiss.omp_set_num_threads(1)


@contextmanager
def threads_unchanged() -> Iterator[None]:
    """Give FAISS back the threads that it has now, when the context ends: for a task's code that a driver runs."""
    before = faiss.omp_get_max_threads()
    try:
        yield
    finally:
        # FAISS keeps the number of threads for the whole process.
        faiss.omp_set_num_threads(before)


def check_vectors(vectors: np.ndarray, width: int | None = None) -> None:
    """Raise ClusteringError unless `vectors` is float32 (n, width), and finite. None accepts any width."""
    if vectors.dtype != np.float32 or vectors.ndim != 2 or width not in (None, vectors.shape[1]):
        expected = f"(rows, {'width' if width is None else width})"
        raise ClusteringError(
            f"vectors are {vectors.dtype} {vectors.shape}; they must be float32 {expected}: convert, or take the table "
            "of that width"
        )
    if not np.isfinite(vectors.sum(dtype=np.float64)):
        raise ClusteringError("vectors hold NaN or infinity; such rows belong in quarantine")


def fit_kmeans(sample: np.ndarray, num_centroids: int, seed: int, rounds: int = _ROUNDS) -> np.ndarray:
    """Return `num_centroids` centroids, float32 (num_centroids, width), of `sample`, float32 (rows, width).

    Deterministic given the seed; `rounds` of assigning rows and moving centroids. Raises ClusteringError when there are fewer
    rows than centroids.
    """
    check_vectors(sample)
    if not 1 <= num_centroids <= len(sample):
        raise ClusteringError(
            f"{num_centroids} centroids of {len(sample)} rows; ask for 1 to {len(sample)}, or give more rows"
        )
    centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    clustering = faiss.Kmeans(
        sample.shape[1],
        num_centroids,
        niter=rounds,
        seed=seed,
        # Below its default of 39 rows a centroid FAISS prints a warning for each run.
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAIN_ROWS_PER_CENTROID,
    )
    clustering.train(sample - centre)
    return np.asarray(clustering.centroids + centre, dtype=np.float32)


def nearest_centroids(vectors: np.ndarray, centroids: np.ndarray, count: int = 1) -> np.ndarray:
    """Return int32 (n, count): positions of the nearest of `centroids`, nearest first."""
    check_vectors(vectors, centroids.shape[1])
    if not 1 <= count <= len(centroids):
        raise ClusteringError(f"{count} nearest of {len(centroids)} centroids; ask for 1 to {len(centroids)}")
    centre = centroids.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, positions = faiss.knn(vectors - centre, centroids - centre, count, metric=faiss.METRIC_L2)
    return np.asarray(positions, dtype=np.int32)
