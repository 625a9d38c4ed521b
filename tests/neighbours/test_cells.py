"""Cells cover every row, overlap as asked, stay balanced, and let true neighbours meet."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.cells import HEAVY, assign_cells, fit_cells
from uninote.neighbours.kernel.exact import topk_all_pairs
from uninote.neighbours.recall import tie_aware_recall
from uninote.vectors.top_k import merge_topk


def make_vectors(rows=4000, width=16, clusters=60, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, width))
    vectors = centres[generator.integers(0, clusters, rows)] + generator.standard_normal((rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def join(vectors, cells, k):
    """The whole join in memory: the kernel in each cell, then one merge."""
    keys = np.full((*cells.shape, k), -1)
    scores = np.full(keys.shape, -np.inf, np.float32)
    for cell in np.unique(cells):
        rows, slots = np.nonzero(cells == cell)
        positions, found = topk_all_pairs(vectors[rows], k)
        keys[rows, slots] = np.where(positions < 0, -1, rows[positions])
        scores[rows, slots] = found
    return merge_topk(keys.reshape(len(vectors), -1), scores.reshape(len(vectors), -1), k)


def test_each_row_gets_its_nearest_cells_home_first():
    vectors = make_vectors()
    centroids = fit_cells(vectors, 10, seed=0)
    cells = assign_cells(vectors, centroids, 3)
    squared = ((vectors[:, None].astype(np.float64) - centroids[None]) ** 2).sum(axis=2)
    assert cells.dtype == np.int32
    assert np.array_equal(cells, np.argsort(squared, axis=1)[:, :3])


def test_overlap_is_capped_to_the_cells_there_are():
    vectors = make_vectors(100)
    assert assign_cells(vectors, fit_cells(vectors, 1, seed=0), 4).tolist() == [[0]] * 100
    assert assign_cells(vectors, vectors[:3], 4).shape == (100, 3)


def test_neighbours_meet_in_cells():
    vectors = make_vectors()
    found = join(vectors, assign_cells(vectors, fit_cells(vectors, 8, seed=0), 4), 10)[1]
    assert tie_aware_recall(found, topk_all_pairs(vectors, 10)[1], 10) > 0.95


def test_cells_are_the_same_for_the_same_seed_and_however_rows_are_batched():
    vectors = np.concatenate([make_vectors(2000), np.repeat(make_vectors(1), 2000, axis=0)])
    centroids = fit_cells(vectors, 8, seed=5)
    assert np.array_equal(centroids, fit_cells(vectors, 8, seed=5))
    keys = np.arange(len(vectors)) * 3
    whole = assign_cells(vectors, centroids, 3, keys)
    parts = [assign_cells(vectors[part], centroids, 3, keys[part]) for part in np.array_split(np.arange(4000), 7)]
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_giant_cluster_of_identical_rows_is_spread_over_cells(share):
    vectors = make_vectors()
    same = int(share * len(vectors))
    vectors[:same] = vectors[0]
    centroids = fit_cells(vectors, 8, seed=0)
    cells = assign_cells(vectors, centroids, 3)
    assert np.bincount(cells[:, 0]).max() <= 1.1 * HEAVY * len(vectors) / 8
    assert np.bincount(cells.ravel()).max() < 0.6 * len(vectors)
    assert all(len(set(row)) == cells.shape[1] for row in cells.tolist())
    found = join(vectors, cells, 10)[1]
    assert tie_aware_recall(found, topk_all_pairs(vectors, 10)[1], 10) > 0.93


def test_a_heavy_cluster_with_structure_is_split():
    generator = np.random.default_rng(3)
    dense = 1 + 0.01 * generator.standard_normal((3000, 16))
    vectors = np.concatenate([dense, 5 * generator.standard_normal((1000, 16))]).astype(np.float32)
    centroids = fit_cells(vectors, 8, seed=0)
    assert len(np.unique(centroids, axis=0)) == len(centroids)
    assert np.bincount(assign_cells(vectors, centroids, 1)[:, 0]).max() <= 1.2 * HEAVY * 500
