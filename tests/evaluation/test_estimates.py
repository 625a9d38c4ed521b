"""A recall of a sample comes with an interval that holds the recall of all as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.estimates import AT_K, Estimate, estimate_recall

K = 20
Z = 1.959964


@pytest.mark.parametrize("concentration", [1.0, 3.0, 100.0])  # the lower, the more do the pairs of a row miss together
@pytest.mark.parametrize("sample", [300, 2000])
def test_the_interval_holds_the_true_recall_19_times_of_20(concentration, sample):
    generator = np.random.default_rng(0)
    chances = generator.beta(0.98 * concentration, 0.02 * concentration, 4000)
    found = generator.binomial(K, chances)
    truth = found.mean() / K
    held = 0
    for _ in range(500):
        estimate = estimate_recall(generator.choice(found, sample, replace=False), np.full(sample, K), len(found))
        held += estimate.low <= truth <= estimate.high
    assert 0.92 < held / 500 < 0.98


def test_rows_of_one_pair_have_the_interval_of_wilson():
    found = np.repeat([1, 0], [91, 10])
    estimate = estimate_recall(found, np.ones(101, np.int64), 10**9)
    assert estimate.recall == pytest.approx(91 / 101)
    # Its ends are the shares from which what was found is as far as 1.96 of their own standard deviations.
    for end in (estimate.low, estimate.high):
        assert (estimate.recall - end) ** 2 == pytest.approx(Z**2 * end * (1 - end) / 100, rel=1e-6)


def test_pairs_that_are_missed_together_say_less():
    alone = np.repeat([K - 1, K], [200, 300])  # 200 pairs missed, each of another row
    together = np.repeat([0, K], [10, 490])
    available = np.full(500, K)
    narrow = estimate_recall(alone, available, 10**9)
    wide = estimate_recall(together, available, 10**9)
    assert narrow.recall == wide.recall == 0.98
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_a_sample_without_a_miss_does_not_prove_that_there_is_none():
    estimate = estimate_recall(np.full(500, K), np.full(500, K), 10**9)
    assert (estimate.recall, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(1 / (1 + Z**2 / 500), rel=1e-5)
    nothing = estimate_recall(np.zeros(500, np.int64), np.full(500, K), 10**9)
    assert (nothing.recall, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(1 - estimate.low)


def test_a_sample_of_all_rows_leaves_nothing_open():
    found = np.array([20, 19, 15])
    estimate = estimate_recall(found, np.full(3, K), 3)
    assert estimate == Estimate(0.9, 0.9, 0.9)


def test_rows_that_had_nothing_to_find_do_not_count():
    none = np.zeros(4, np.int64)
    assert estimate_recall(none, none, 100) == Estimate(1, 1, 1)
    some = estimate_recall(np.array([3, 0, 0]), np.array([5, 0, 0]), 100)
    assert some.recall == 0.6
    assert some.low < 0.6 < some.high


def test_the_ledger_gives_an_estimate_back_and_those_of_earlier_releases_have_no_interval():
    estimate = Estimate(0.99, 0.981, 0.995)
    assert Estimate.of(estimate.metrics(AT_K), AT_K) == estimate
    assert str(estimate) == "0.9900 (95 % interval 0.9810 to 0.9950)"
    earlier = Estimate.of({"recall_at_k": 0.99}, AT_K)
    assert earlier == Estimate(0.99)
    assert earlier.metrics(AT_K) == {"recall_at_k": 0.99}
    assert str(earlier) == "0.9900"
