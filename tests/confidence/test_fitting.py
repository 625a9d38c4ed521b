"""The map's fit, against optimisers and estimators of other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from uninote.confidence.confidence_map import FROM_JUDGMENTS, fit_map
from uninote.confidence.features import gaps, mean_scores
from uninote.confidence.fitting import FitError, check, fit, measure
from uninote.confidence.isotonic import fit_isotonic
from uninote.confidence.judged_pairs import JudgedPairs, answers_of, weights_of
from uninote.confidence.logistic import RIDGE, fit_logistic, sigmoid
from uninote.confidence.measures import calibration_error, mean_by_note, perfect_error

TRUTH = np.array([0.8, -0.5, 0.3, 0.1])


def drawn(count, seed=0, per_note=4, probability=None):
    """Pairs of which the log odds are linear in the features."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 4)) * [2.0, 0.1, 0.1, 0.05] + [5.0, 0.8, 0.7, 0.02]
    chances = sigmoid(0.3 + (features - [5.0, 0.8, 0.7, 0.02]) / [2.0, 0.1, 0.1, 0.05] @ TRUTH * 1.5)
    shares = (rng.random(count) < chances).astype(float)
    weights = np.ones(count) if probability is None else weights_of(probability(features, rng))
    return JudgedPairs(np.arange(count) // per_note, features, shares, weights, 1 + np.arange(count) % 20), chances


def standard(features, weights):
    centre = np.average(features, axis=0, weights=weights)
    return (features - centre) / np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))


@pytest.mark.parametrize("count", [60, 400])
def test_the_curve_is_that_of_other_optimisers(count):
    pairs, _ = drawn(count)
    rng = np.random.default_rng(1)
    weights, shares = rng.uniform(0.2, 3, count), np.where(rng.random(count) < 0.2, 0.5, pairs.shares)
    features = standard(pairs.features, weights)
    found = fit_logistic(features, shares, weights)

    def loss(coefficients):
        values = coefficients[0] + features @ coefficients[1:]
        losses = shares * np.logaddexp(0, -values) + (1 - shares) * np.logaddexp(0, values)
        return weights @ losses + RIDGE / 2 * (coefficients[1:] ** 2).sum()

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(found, best.x, atol=1e-4)
    # A share is two judgments, a yes and a no, each with its part of the weight.
    twice = np.concatenate([features, features])
    model = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=1000)
    model.fit(twice, np.repeat([1, 0], count), np.concatenate([weights * shares, weights * (1 - shares)]))
    np.testing.assert_allclose(found, [model.intercept_[0], *model.coef_[0]], atol=1e-4)


def test_the_curve_of_pairs_that_a_line_parts_is_finite():
    features = np.linspace(-1, 1, 60)[:, None]
    found = fit_logistic(features, (features[:, 0] > 0).astype(float), np.full(60, 5.0))
    assert np.isfinite(found).all()
    assert found[1] > 3


def test_steps_are_those_of_another_library():
    rng = np.random.default_rng(2)
    values, weights = rng.random(500), rng.uniform(0.2, 2, 500)
    shares = (rng.random(500) < values**2).astype(float)
    knots, steps = fit_isotonic(values, shares, weights)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(steps) > 0).all()
    other = IsotonicRegression().fit(values, shares, sample_weight=weights).predict(values)
    np.testing.assert_allclose(np.unique(np.round(other, 9)), np.unique(np.round(steps, 9)))


def test_equal_values_have_one_step_whatever_the_order_of_the_pairs():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 5, 1200) / 5
    weights = rng.uniform(0.2, 2, 1200)
    shares = (rng.random(1200) < 0.2 + 0.5 * values).astype(float)
    first = fit_isotonic(values, shares, weights)
    for order in (np.argsort(shares), np.argsort(-shares), rng.permutation(1200)):
        np.testing.assert_allclose(fit_isotonic(values[order], shares[order], weights[order]), first)
    other = IsotonicRegression().fit(values, shares, sample_weight=weights)
    np.testing.assert_allclose(np.interp(first[0], *first), other.predict(first[0]))


def test_chances_come_out_as_they_are_and_steps_from_a_thousand_judgments():
    pairs, chances = drawn(4000)
    found = fit(pairs)
    assert found.knots
    assert np.abs(found.of(pairs.features) - chances).mean() < 0.03
    few = fit(pairs.take(np.arange(FROM_JUDGMENTS - 1)))
    assert not few.knots
    missing = pairs.features[:2].copy()
    missing[0, 0] = np.nan
    assert np.isnan(found.of(missing)).tolist() == [True, False]


def test_pairs_that_were_drawn_rarely_count_for_those_that_were_not():
    def likely_where_weak(features, rng):
        return np.where(features[:, 0] > 5, 0.05, 0.5)

    population, _ = drawn(40_000)
    rng = np.random.default_rng(4)
    probability = likely_where_weak(population.features, rng)
    chosen = population.take(np.flatnonzero(rng.random(len(population)) < probability))
    probability = likely_where_weak(chosen.features, rng)
    weighted = JudgedPairs(chosen.notes, chosen.features, chosen.shares, weights_of(probability), chosen.ranks)
    truth = population.shares.mean()
    quality = measure(weighted.take(np.arange(0, len(weighted), 3)))
    assert quality.base_rate.low < truth < quality.base_rate.high
    assert abs(chosen.shares.mean() - truth) > 0.05
    # One pair in a thousand does not decide: weights are bounded.
    assert weights_of(np.array([1e-6, *[0.5] * 99])).max() < 11


def test_judges_who_contradict_each_other_make_a_share():
    said = [
        ("a", "b", True, 0.5, 2),
        ("a", "b", False, 0.5, 3),
        ("a", "b", True, 0.5, None),
        ("b", "a", False, None, None),
    ]
    names = ("a", "b", "relevant", "probability", "rank")
    found = answers_of([dict(zip(names, row, strict=True)) for row in said])
    assert found.pairs == [("a", "b"), ("b", "a")]
    np.testing.assert_allclose(found.shares, [2 / 3, 0])
    np.testing.assert_allclose(found.probabilities, [0.5, 1])
    assert found.ranks.tolist() == [3, 0]


def test_too_few_pairs_and_one_kind_are_refused_in_a_sentence():
    pairs, _ = drawn(200)
    with pytest.raises(FitError, match="neighbours has 49 judged pairs that are in its lists, and a map takes 50"):
        check(pairs.take(np.arange(49)), "neighbours")
    with pytest.raises(FitError, match=r"all .* judged pairs of neighbours are relevant, and a map takes both"):
        check(pairs.take(np.flatnonzero(pairs.shares == 1)), "neighbours")
    with pytest.raises(FitError, match="all 60 judged pairs of neighbours are of one note"):
        check(drawn(60, per_note=60)[0], "neighbours")


def test_what_is_measured_is_of_notes_that_were_left_out():
    pairs, chances = drawn(300, seed=5)
    quality = measure(pairs)
    assert quality.brier_gain_base.low > 0
    assert quality.brier.low < ((chances - pairs.shares) ** 2).mean() < quality.brier.high
    assert 0.02 < quality.perfect_error < 0.1
    assert quality.error < 3 * quality.perfect_error
    assert abs(sum(one.weight for one in quality.bins) - 1) < 1e-9
    assert list(quality.precision) == [1, 5, 10, 20]
    assert quality.precision[20].value == pytest.approx(pairs.shares.mean())
    # A map of nothing gains nothing.
    noise = JudgedPairs(
        pairs.notes, np.random.default_rng(0).random((300, 4)), pairs.shares, pairs.weights, pairs.ranks
    )
    assert measure(noise).brier_gain_base.low < 0


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        notes = np.repeat(np.arange(60), 5)
        chances = rng.beta(2, 2, 60)[notes]  # pairs of a note are alike
        found = mean_by_note((rng.random(300) < chances).astype(float), np.ones(300), notes)
        held += found.low < 0.5 < found.high
    assert held >= 88


def test_a_perfect_map_has_the_error_that_is_foretold():
    rng = np.random.default_rng(6)
    chances = rng.random(300)
    weights = np.ones(300)
    shown = [calibration_error(chances, (rng.random(300) < chances).astype(float), weights) for _ in range(100)]
    assert perfect_error(chances, weights) == pytest.approx(np.mean(shown), rel=0.1)


def test_gaps_and_means_are_those_of_the_first_k():
    scores = np.array([0.9, 0.7, 0.6, 0.5, 0.8, 0.3], np.float32)
    lengths = np.array([4, 0, 2])
    np.testing.assert_allclose(gaps(scores, lengths, 3), [0.2, 0.1, 0, 0, 0.5, 0], atol=1e-6)
    means = mean_scores(scores, lengths, 3)
    np.testing.assert_allclose(means[[0, 2]], [2.2 / 3, 0.55], rtol=1e-6)
    assert np.isnan(means[1])


def test_a_feature_that_is_the_same_everywhere_says_nothing():
    pairs, _ = drawn(200)
    flat = pairs.features.copy()
    flat[:, 3] = 0.0
    found = fit_map(flat, pairs.shares, pairs.weights)
    assert found.coefficients[4] == 0
