"""Changes by effect size, places in the plane, and typical notes."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import numpy as np
import pytest
from sample_map import make_map

from uninote.corpus_map.changes import Totals, change_of
from uninote.corpus_map.places import places_of
from uninote.corpus_map.typical import distances_to_centres, nearest_of_each


@pytest.mark.parametrize(
    ("now", "before", "state"),
    [
        (100, 100, ""),
        (120, 100, ""),
        (200, 100, "growing"),
        (100, 200, "shrinking"),
        (10, 0, "new"),
        (9, 0, ""),
        (0, 10, "vanished"),
        (0, 9, ""),
        (3, 1, ""),  # three times as many, of next to none
        (10_000_000, 9_000_000, ""),  # as sure as can be, and small
    ],
)
def test_a_change_is_told_by_its_size(now, before, state):
    assert change_of(now, before, Totals(1_000, 1_000)).state == state


def test_a_share_counts_and_not_a_number_of_notes():
    grown = Totals(2_000, 1_000)
    same = change_of(200, 100, grown)
    assert (same.state, same.effect) == ("", pytest.approx(0, abs=1e-9))
    assert change_of(400, 100, grown).effect == pytest.approx(log2(0.2 + 5 / 1_500) - log2(0.1 + 5 / 1_500))
    assert change_of(100, 0, Totals(100, 0)) is None
    assert change_of(0, 100, Totals(0, 100)) is None


def test_the_largest_effects_come_first():
    corpus = make_map(8, 12, 5_000)
    effects = [abs(branch.change.effect) for _, branch in corpus.changed()]
    assert effects == sorted(effects, reverse=True)
    prefixes = {len(prefix) for prefix, _ in corpus.changed()}
    assert prefixes == {1, 2}
    assert list(replace(corpus, branches=()).changed()) == []


def test_places_are_the_first_principal_components():
    draw = np.random.default_rng(0)
    plane = draw.normal(size=(40, 2)) * (5, 2)
    axes = np.linalg.qr(draw.normal(size=(16, 2)))[0]
    centres = (plane @ axes.T + 3).astype(np.float32)
    found = places_of(centres, np.ones(40))
    assert found.share == pytest.approx(1)
    assert found.points.min() >= 0
    assert found.points.max() <= 1
    # Distances in the plane are those of the centres, in one scale.
    true = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    shown = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    ratio = shown[true > 1] / true[true > 1]
    assert ratio.std() / ratio.mean() < 1e-4
    assert np.array_equal(places_of(centres, np.ones(40)).points, found.points)


@pytest.mark.parametrize("centres", [np.ones((5, 4)), np.zeros((1, 3)), np.arange(3.0)[:, None]])
def test_places_of_few_or_equal_centres_are_finite(centres):
    found = places_of(centres, np.full(len(centres), 7))
    assert found.points.shape == (len(centres), 2)
    assert np.isfinite(found.points).all()
    assert 0 <= found.share <= 1 + 1e-9


def test_a_branch_without_notes_pulls_nothing():
    centres = np.array([[0.0, 0], [1, 0], [0, 100]])
    assert places_of(centres, np.array([5, 5, 0])).share == pytest.approx(1)


def test_the_nearest_of_each_branch_are_those_by_brute_force():
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(300, 6)).astype(np.float32)
    centres = draw.normal(size=(9, 6)).astype(np.float32)
    branches = draw.integers(0, 9, 300)
    branches[branches == 4] = 5  # a branch without notes
    distances = distances_to_centres(vectors, branches, centres)
    found = nearest_of_each(branches, distances, 3)
    wanted = []
    for branch in range(9):
        rows = np.flatnonzero(branches == branch)
        true = ((vectors[rows].astype(np.float64) - centres[branch]) ** 2).sum(1)
        wanted += rows[np.argsort(true)][:3].tolist()
    assert found.tolist() == wanted
