"""Packed entries keep score and position exactly, and sort as pairs."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.ranking import MAX_ROWS, empty_ranking, insert, insert_dense, pack, thresholds, unpack

SCORES = np.array([-np.inf, -3e38, -1, -1e-45, 0, 1e-45, 0.5, np.nextafter(np.float32(0.5), 1), 3e38], np.float32)


def test_scores_and_positions_come_back_as_they_were():
    positions = np.array([0, 1, 5, MAX_ROWS - 1])
    for score in SCORES[1:]:
        back, scores = unpack(pack(np.full(4, score, np.float32), positions))
        assert np.array_equal(back, positions)
        assert (scores == score).all()


def test_entries_sort_by_score_then_by_falling_position():
    assert (np.diff(pack(SCORES, np.zeros(len(SCORES), np.int64))) > 0).all()
    assert (np.diff(pack(np.full(3, 0.5, np.float32), np.array([0, 1, MAX_ROWS - 1]))) < 0).all()


def test_negative_zero_ties_with_zero():
    zeros = pack(np.array([-0.0, 0.0], np.float32), np.array([4, 4]))
    assert zeros[0] == zeros[1]


def test_free_slots_read_as_no_neighbour():
    positions, scores = unpack(empty_ranking(2, 3))
    assert (positions == -1).all()
    assert np.isneginf(scores).all()


def test_sparse_and_dense_inserts_keep_the_best_of_each_row():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 9, (5, 40)).astype(np.float32)
    entries = pack(scores, np.arange(40))
    dense, sparse = empty_ranking(5, 7), empty_ranking(5, 7)
    for start in (0, 10, 20, 30):
        insert_dense(dense, entries[:, start : start + 10])
        rows, columns = np.nonzero(generator.random((5, 10)) < 2)
        insert(sparse, rows, entries[rows, start + columns])
    expected = np.sort(entries, axis=1)[:, : -7 - 1 : -1]
    assert np.array_equal(dense, expected)
    assert np.array_equal(sparse, expected)
    assert np.array_equal(thresholds(sparse), unpack(expected)[1][:, -1])


def test_inserting_nothing_changes_nothing():
    ranking = pack(np.arange(6, dtype=np.float32)[::-1].reshape(2, 3), np.arange(3))
    before = ranking.copy()
    insert(ranking, np.empty(0, np.int64), np.empty(0, np.int64))
    assert np.array_equal(ranking, before)
