"""k-means finds clusters, in a narrow cone too, and says why when it cannot."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from uninote.vectors.kmeans import ClusteringError, compute_in_one_thread, fit_kmeans, nearest_centroids


def make_cone(rows=500, spread=1e-3, width=16):
    """Vectors whose cosines agree to six digits."""
    vectors = 1 + spread * np.random.default_rng(0).standard_normal((rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_nearest_centroids_are_the_true_ones_in_a_narrow_cone():
    vectors = make_cone(spread=1e-4, width=256)
    wide = vectors.astype(np.float64)
    squared = ((wide[:, None] - wide[None, :60]) ** 2).sum(axis=2)
    assert np.array_equal(nearest_centroids(vectors, vectors[:60], 5), np.argsort(squared, axis=1)[:, :5])


def test_clusters_are_found_wherever_they_lie():
    around_zero = np.repeat(np.eye(4, dtype=np.float32), 50, axis=0) * 1e-2
    for shift in (0, 5):
        centroids = fit_kmeans(around_zero + np.float32(shift), 4, seed=1)
        found = centroids[np.argsort(-centroids.argmax(axis=1))] - shift
        np.testing.assert_allclose(found[::-1], np.eye(4) * 1e-2, atol=1e-6)


def test_the_seed_alone_decides():
    vectors = make_cone()
    first, again, other = (fit_kmeans(vectors, 9, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_few_rows_a_centroid_print_no_warning(capfd):
    assert fit_kmeans(make_cone(30), 20, seed=0).shape == (20, 16)
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    ("vectors", "count", "message"),
    [
        (make_cone(3), 4, "4 centroids of 3 rows; ask for 1 to 3"),
        (make_cone(3), 0, "0 centroids of 3 rows"),
        (make_cone(3).astype(np.float64), 1, "vectors are float64"),
        (np.full((3, 16), np.nan, np.float32), 1, "hold NaN or infinity"),
    ],
)
def test_what_cannot_be_clustered_is_refused(vectors, count, message):
    with pytest.raises(ClusteringError, match=message):
        fit_kmeans(vectors, count, seed=0)


def test_more_nearest_than_centroids_are_refused():
    with pytest.raises(ClusteringError, match="5 nearest of 4 centroids"):
        nearest_centroids(make_cone(), make_cone()[:4], 5)


def test_faiss_is_held_to_one_thread():
    threads = faiss.omp_get_max_threads()
    try:
        compute_in_one_thread()
        assert faiss.omp_get_max_threads() == 1
    finally:
        faiss.omp_set_num_threads(threads)
