"""Recall counts ties as hits, short corpora by what they have, and nothing twice over."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.recall import RecallError, tie_aware_recall

FREE = -np.inf


def recall(returned, exact, k):
    return tie_aware_recall(np.array(returned, np.float32), np.array(exact, np.float32), k)


@pytest.mark.parametrize(
    ("returned", "exact", "k", "expected"),
    [
        ([[0.9, 0.8]], [[0.9, 0.8]], 2, 1),
        ([[0.9, 0.7]], [[0.9, 0.8]], 2, 0.5),
        ([[0.8, 0.8]], [[0.9, 0.8]], 2, 1),  # another row that ties with the second
        ([[0.8 - 5e-7, 0.9]], [[0.9, 0.8]], 2, 1),
        ([[0.8 - 5e-6, 0.9]], [[0.9, 0.8]], 2, 0.5),
        ([[0.9, FREE, FREE]], [[0.9, 0.8, FREE]], 3, 0.5),  # two available
        ([[0.9, 0.9, 0.9, 0.9]], [[0.9, 0.9, 0.8]], 2, 1),  # more ties than places
        ([[0.1], [0.9]], [[0.9], [0.9]], 1, 0.5),
        ([[FREE]], [[FREE]], 1, 1),
        ([[FREE], [0.2]], [[FREE], [0.9]], 1, 0),
        ([[]], [[0.5]], 1, 0),
    ],
)
def test_recall_counts_what_reaches_the_kth_score(returned, exact, k, expected):
    assert recall(returned, exact, k) == pytest.approx(expected)


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(RecallError, match="recall at 1 of 2 rows against 1"):
        recall([[1.0], [1.0]], [[1.0]], 1)
