"""The pivots that leaves gather around: random rows, and the means that they move to."""

from __future__ import annotations

import numpy as np
from clustered import make_vectors

from uninote.neighbours.kernel.codes import encode, mean_of
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.pivots import draw_pivots, encode_pivots, nearest_pivots

COUNT = 40


def drawn(vectors, moves, seed=0):
    codes = encode(vectors)
    workspace = make_workspace(COUNT, codes.rows.shape[1])
    pivots = draw_pivots(workspace, codes, COUNT, np.random.default_rng(seed), moves)
    return pivots, nearest_pivots(workspace, codes, encode_pivots(pivots), 1)[:, 0]


def mean_square(vectors, pivots, leaf):
    centred = vectors - mean_of(vectors)
    return np.square(centred - pivots[leaf, : vectors.shape[1]]).sum(axis=1).mean()


def test_without_moves_pivots_are_distinct_rows():
    vectors = make_vectors(2000)
    pivots, _ = drawn(vectors, moves=0)
    centred = vectors - mean_of(vectors)
    distances = np.abs(pivots[:, None, : vectors.shape[1]] - centred).max(axis=2)
    assert (distances.min(axis=1) < 0.01).all()
    assert len(set(distances.argmin(axis=1))) == COUNT


def test_means_are_nearer_to_rows_that_they_were_not_made_of():
    vectors = make_vectors(20_000)
    assert mean_square(vectors, *drawn(vectors, moves=4)) < 0.8 * mean_square(vectors, *drawn(vectors, moves=0))


def test_every_row_is_put_to_its_nearest_mean():
    vectors = make_vectors(3000)
    pivots, leaf = drawn(vectors, moves=4)
    centred = vectors - mean_of(vectors)
    squares = np.square(centred[:, None] - pivots[None, :, : vectors.shape[1]]).sum(axis=2)
    taken = squares[np.arange(len(vectors)), leaf]
    assert (taken <= squares.min(axis=1) + 0.02).all()


def test_equal_rows_leave_pivots_without_any():
    pivots, leaf = drawn(np.ones((500, 8), np.float32), moves=4)
    assert np.isfinite(pivots).all()
    assert len(set(leaf)) == 1


def test_pivots_follow_from_the_seed():
    vectors = make_vectors(2000)
    first, again, other = (drawn(vectors, moves=4, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
