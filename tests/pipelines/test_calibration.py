"""How many lists an index is calibrated to search, by the recall that was measured of each number."""

from __future__ import annotations

import pytest

from uninote.evaluation.estimates import Estimate
from uninote.pipelines.index.recall import enough_lists

MEASURED = {
    4: Estimate(0.90, 0.89, 0.91),
    8: Estimate(0.951, 0.943, 0.958),
    16: Estimate(0.972, 0.966, 0.978),
    20: Estimate(0.975, 0.970, 0.980),
}


@pytest.mark.parametrize(
    ("target", "fewest", "lists"),
    [
        (0.85, 4, 4),
        # 8 lists reach it only if the sample is no better than all rows are.
        (0.95, 4, 16),
        (0.94, 4, 8),
        # An update searches no fewer lists than before it.
        (0.85, 8, 8),
        # Twice as many as there are: all of them.
        (0.97, 4, 20),
    ],
)
def test_lists_are_doubled_until_recall_surely_reaches_the_target(target, fewest, lists):
    assert enough_lists(MEASURED.__getitem__, fewest, 20, target) == (lists, MEASURED[lists])


def test_lists_that_bring_nothing_are_not_searched():
    measured = {4: Estimate(0.93, 0.92, 0.94), 8: Estimate(0.9315, 0.92, 0.94)}
    assert enough_lists(measured.__getitem__, 4, 1000, 0.95) == (4, measured[4])


def test_a_recall_without_an_interval_counts_as_it_is():
    assert enough_lists(lambda _: Estimate(0.95), 4, 1000, 0.95) == (4, Estimate(0.95))
