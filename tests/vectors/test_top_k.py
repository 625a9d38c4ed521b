"""Packed entries hold score and column exactly and sort as pairs; merged parts give the ranking of everything."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.vectors.top_k import MAX_COLUMNS, MergeError, best_columns, merge_topk, pack, unpack

SCORES = np.array([-np.inf, -3e38, -1, -1e-45, 0, 1e-45, 0.5, np.nextafter(np.float32(0.5), 1), 3e38], np.float32)


def test_scores_and_columns_come_back_as_they_were():
    columns = np.array([0, 1, 5, MAX_COLUMNS - 1])
    for score in SCORES[1:]:
        back, scores = unpack(pack(np.full(4, score, np.float32), columns))
        assert np.array_equal(back, columns)
        assert (scores == score).all()


def test_entries_sort_by_score_then_by_falling_column():
    assert (np.diff(pack(SCORES, np.zeros(len(SCORES), np.int64))) > 0).all()
    assert (np.diff(pack(np.full(3, 0.5, np.float32), np.array([0, 1, MAX_COLUMNS - 1]))) < 0).all()


def test_negative_zero_ties_with_zero():
    zeros = pack(np.array([-0.0, 0.0], np.float32), np.array([4, 4]))
    assert zeros[0] == zeros[1]


@pytest.mark.parametrize("k", [1, 4, 12])
@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (4, 3), (30, 12), (30, 80)])
def test_the_best_columns_are_those_of_a_sort(shape, k):
    scores = np.random.default_rng(k).choice(SCORES, shape)
    columns, best = best_columns(scores, k)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    expected = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_array_equal(best, expected)
    np.testing.assert_array_equal(columns, np.where(np.isneginf(expected), -1, order))


@pytest.mark.parametrize("k", [1, 5, 40])
def test_merged_parts_equal_the_ranking_of_all(k):
    generator = np.random.default_rng(0)
    keys, scores = generator.integers(0, 15, (30, 24)), generator.integers(0, 6, (30, 24)).astype(np.float32)
    merged, merged_scores = merge_topk(keys, scores, k)
    for row in range(30):
        best: dict[int, float] = {}
        for key, score in zip(keys[row].tolist(), scores[row].tolist(), strict=True):
            best[key] = max(score, best.get(key, -np.inf))
        expected = sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
        expected += [(-1, -np.inf)] * (k - len(expected))
        assert list(zip(merged[row].tolist(), merged_scores[row].tolist(), strict=True)) == expected


def test_padding_never_takes_a_place():
    keys, scores = merge_topk(np.array([[-1, 7, -1]]), np.array([[9, 1, np.inf]], np.float32), 2)
    assert keys.tolist() == [[7, -1]]
    assert scores.tolist() == [[1, -np.inf]]
    assert (keys.dtype, scores.dtype) == (np.int64, np.float32)


def test_nothing_merges_to_padding():
    keys, scores = merge_topk(np.empty((2, 0), np.int64), np.empty((2, 0), np.float32), 3)
    assert (keys == -1).all()
    assert scores.shape == (2, 3)


def test_matrices_of_two_shapes_are_refused():
    with pytest.raises(MergeError, match=r"keys \(1, 2\) and scores \(1, 3\)"):
        merge_topk(np.zeros((1, 2), np.int64), np.zeros((1, 3), np.float32), 1)
