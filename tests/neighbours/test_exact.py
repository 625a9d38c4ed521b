"""The kernel against float64, on every shape that could trip it."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.kernel.exact import KernelError, empty_ranking, insert, insert_dense, topk_all_pairs
from uninote.vectors.top_k import pack, unpack


def make_vectors(rows, width=24, cone=0.0, seed=0):
    """Clustered unit vectors; `cone` shifts them all towards one direction."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((8, width))
    vectors = centres[generator.integers(0, 8, rows)] + generator.standard_normal((rows, width)) / 2 + cone
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_scores(vectors):
    scores = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(scores, -np.inf)
    return scores


def check_ranking(vectors, k, block_rows):
    """Every entry names another row, carries its score, and no left-out row would have been better."""
    n = len(vectors)
    positions, scores = topk_all_pairs(vectors, k, block_rows)
    assert (positions.dtype, scores.dtype, positions.shape) == (np.int64, np.float32, (n, k))
    held = min(k, n - 1)
    assert (positions[:, held:] == -1).all()
    assert np.isneginf(scores[:, held:]).all()
    positions, scores = positions[:, :held], scores[:, :held]
    assert all(len(set(row)) == held and own not in row for own, row in enumerate(positions))
    truth = all_scores(vectors)
    np.testing.assert_allclose(scores, np.take_along_axis(truth, positions, axis=1), atol=1e-6)
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :held], atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 63, 64, 65, 400])
@pytest.mark.parametrize("k", [1, 20, 64, 500])
def test_the_kernel_equals_float64_at_any_size(rows, k):
    check_ranking(make_vectors(rows), k, block_rows=64)


@pytest.mark.parametrize("block_rows", [1, 7, 100, 1000])
def test_the_block_size_changes_nothing(block_rows):
    check_ranking(make_vectors(150), 10, block_rows)


@pytest.mark.parametrize("cone", [1.0, 30.0, 1000.0])
def test_rankings_hold_where_all_vectors_point_one_way(cone):
    vectors = make_vectors(1500, 256, cone)
    truth = all_scores(vectors)
    positions, scores = topk_all_pairs(vectors, 10, 512)
    np.testing.assert_allclose(scores, np.take_along_axis(truth, positions, axis=1), atol=1e-6)
    kth = -np.sort(-truth, axis=1)[:, 9:10]
    resolution = 1e-6 * (truth.max() - np.median(truth))
    assert (np.take_along_axis(truth, positions, axis=1) >= kth - resolution).mean() > 0.999


def test_equal_vectors_are_ranked_by_position():
    positions, scores = topk_all_pairs(np.repeat(make_vectors(1), 200, axis=0), 3, 64)
    expected = [[other for other in range(5) if other != own][:3] for own in range(200)]
    assert positions.tolist() == expected
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_zero_vectors_have_neighbours_of_score_zero():
    vectors = make_vectors(100)
    vectors[::10] = 0
    check_ranking(vectors, 5, block_rows=32)
    assert np.abs(topk_all_pairs(np.zeros((5, 4), np.float32), 2)[1]).max() == 0


def test_the_input_is_left_as_it_was():
    vectors = make_vectors(50)
    before = vectors.copy()
    topk_all_pairs(vectors, 5)
    assert np.array_equal(vectors, before)


@pytest.mark.parametrize(
    ("vectors", "k", "message"),
    [
        (np.zeros((3, 2)), 1, r"vectors are float64 \(3, 2\)"),
        (np.zeros((0, 2), np.float32), 1, r"vectors are float32 \(0, 2\)"),
        (np.zeros(3, np.float32), 1, r"must be float32 \(rows, width\)"),
        (np.full((3, 2), np.nan, np.float32), 1, "hold NaN or infinity"),
        (np.zeros((3, 2), np.float32), 0, "k is 0"),
    ],
)
def test_what_cannot_be_ranked_is_refused(vectors, k, message):
    with pytest.raises(KernelError, match=message):
        topk_all_pairs(vectors, k)


def test_free_slots_read_as_no_neighbour():
    positions, scores = unpack(empty_ranking(2, 3))
    assert (positions == -1).all()
    assert np.isneginf(scores).all()


def test_sparse_and_dense_inserts_keep_the_best_of_each_row():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 9, (5, 40)).astype(np.float32)
    entries = pack(scores, np.arange(40))
    dense = empty_ranking(5, 7)
    sparse = empty_ranking(5, 7)
    for start in (0, 10, 20, 30):
        insert_dense(dense, entries[:, start : start + 10])
        rows, columns = np.nonzero(generator.random((5, 10)) < 2)
        insert(sparse, rows, entries[rows, start + columns])
    expected = np.sort(entries, axis=1)[:, : -7 - 1 : -1]
    assert np.array_equal(dense, expected)
    assert np.array_equal(sparse, expected)


def test_inserting_nothing_changes_nothing():
    ranking = pack(np.arange(6, dtype=np.float32)[::-1].reshape(2, 3), np.arange(3))
    before = ranking.copy()
    insert(ranking, np.empty(0, np.int64), np.empty(0, np.int64))
    assert np.array_equal(ranking, before)
