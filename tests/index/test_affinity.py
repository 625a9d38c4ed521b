"""Lists become cells and shards of like weight, none empty, neighbours together."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.index.template.affinity import group_lists, pack_cells, settle_lists
from uninote.vectors.kmeans import fit_kmeans, nearest_centroids


def make_points(clusters, each, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, 8)) * 10
    points = centres[:, None] + generator.standard_normal((clusters, each, 8))
    return points.reshape(-1, 8).astype(np.float32)


@pytest.mark.parametrize("num_cells", [1, 3, 7, 40])
def test_every_cell_holds_a_list_and_every_list_a_cell(num_cells):
    cells = group_lists(make_points(4, 10), np.ones(40), num_cells, seed=0)
    assert np.array_equal(np.unique(cells), np.arange(num_cells))


def test_cells_are_of_like_weight():
    list_rows = np.random.default_rng(1).integers(50, 150, 400)
    rows = np.bincount(group_lists(make_points(40, 10), list_rows, 16, seed=0), weights=list_rows)
    assert rows.max() < 1.25 * rows.mean()


def test_neighbouring_lists_share_a_cell():
    shuffled = np.random.default_rng(2).permutation(40)
    cells = np.empty(40, np.int32)
    cells[shuffled] = group_lists(make_points(4, 10)[shuffled], np.ones(40), 4, seed=0)
    cells = cells.reshape(4, 10)
    assert (cells == cells[:, :1]).all()


def test_identical_centroids_and_empty_lists_still_fill_every_cell():
    cells = group_lists(np.ones((9, 4), dtype=np.float32), np.zeros(9), 4, seed=0)
    assert set(cells) == {0, 1, 2, 3}


def test_shards_are_runs_of_cells_of_like_weight():
    shards = pack_cells(np.array([5, 1, 1, 1, 1, 1, 3, 3]), 3)
    assert (np.diff(shards) >= 0).all()
    assert np.bincount(shards, weights=[5, 1, 1, 1, 1, 1, 3, 3]).max() <= 7


def test_a_heavy_cell_leaves_no_shard_empty():
    assert np.array_equal(pack_cells(np.array([1000, 0, 0, 1]), 4), [0, 1, 2, 3])


def test_lists_that_are_probed_together_move_together():
    vectors = np.random.default_rng(0).standard_normal((6000, 12)).astype(np.float32)
    centroids = fit_kmeans(vectors, 200, 0)
    probed = nearest_centroids(vectors, centroids, 8)
    rows = np.bincount(probed[:, 0], minlength=200)
    before = group_lists(centroids, rows, 20, 0)
    after = settle_lists(before, rows, probed[:3000])
    num_cells = [np.mean([len(set(row)) for row in cells[probed[3000:]]]) for cells in (before, after)]
    assert num_cells[1] < 0.95 * num_cells[0]  # these vectors have no structure at all; real ones gain more
    held = np.bincount(after, weights=rows, minlength=20)
    assert (held > 0).all()
    assert held.max() <= max(1.25 * held.mean(), np.bincount(before, weights=rows).max())
