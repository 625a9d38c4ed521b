"""Strengths against numpy, from scores one by one."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.background import LEAST_NOTES, Background, FlatScores, strengths

K = 5


def unit(rows, width, seed=0, lean=0.0):
    vectors = np.random.default_rng(seed).standard_normal((rows, width)) + lean
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def lists_of(vectors, owners, depth):
    """The lists of `owners` among all vectors, whose keys are their places, best first."""
    scores = vectors[owners] @ vectors.T
    scores[np.arange(len(owners)), owners] = -np.inf
    keys = np.argsort(-scores, axis=1)[:, :depth]
    flat = np.take_along_axis(scores, keys, axis=1).ravel()
    return FlatScores(owners, keys.ravel(), flat, np.full(len(owners), depth))


@pytest.mark.parametrize("lean", [0.0, 2.0])
def test_strengths_are_those_of_each_score_against_the_sample_without_the_own_list(lean):
    """With a lean all cosines lie above .7, and the spread is a small difference of large numbers."""
    vectors = unit(300, 16, lean=lean)
    sample = np.sort(np.random.default_rng(1).choice(300, 100, replace=False))
    background = Background.of(sample, vectors[sample])
    owners = np.arange(0, 300, 7)
    lists = lists_of(vectors, owners, K + 2)
    found = strengths(lists, background.of_rows(vectors[owners]), sample, K)
    spread = np.sqrt((vectors[sample].astype(np.float64) @ vectors[sample].T).var(axis=1).mean())
    assert background.spread == pytest.approx(spread, rel=1e-4)
    expected = []
    for place, owner in enumerate(owners):
        mine = slice(place * (K + 2), (place + 1) * (K + 2))
        rest = np.setdiff1d(sample, [owner, *lists.keys[mine][:K]])
        scores = vectors[rest].astype(np.float64) @ vectors[owner]
        expected.append((lists.scores[mine] - scores.mean()) / spread)
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=2e-3)


def test_too_few_notes_or_equal_ones_say_nothing():
    vectors = unit(LEAST_NOTES + K, 16)
    owners = np.arange(len(vectors))
    lists = lists_of(vectors, owners, K)
    background = Background.of(owners, vectors)
    assert np.isnan(
        strengths(lists, background.of_rows(vectors), owners, K)
    ).all()  # K and the note itself count for nothing
    nobody = Background.of(np.empty(0, np.int64), np.empty((0, 16), np.float32))
    assert np.isnan(strengths(lists, nobody.of_rows(vectors), nobody.keys, K)).all()
    same = np.tile(vectors[:1], (200, 1))
    alike = Background.of(np.arange(200), same)
    equal = FlatScores(np.array([500]), np.array([600]), np.array([1.0], np.float32), np.array([1]))
    assert np.isnan(strengths(equal, alike.of_rows(same[:1]), alike.keys, K)).all()


def test_unknown_backgrounds_and_empty_lists():
    sample = np.arange(100)
    lists = FlatScores(np.array([200, 201]), np.array([7]), np.array([0.5], np.float32), np.array([1, 0]))
    unknown = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(strengths(lists, unknown, sample, K)).tolist() == [True]
    known = np.tile(np.array([[0.1, 0.2]], np.float32), (2, 1))
    assert np.isfinite(strengths(lists, known, sample, K)).tolist() == [True]
