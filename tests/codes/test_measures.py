"""Figures of codes, on cases that anybody can count."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.codes.measures import entropy, numbers_of, preserved, purities, purity
from uninote.vectors.widths import truncate


def test_entropy_is_one_where_all_codes_are_taken_alike_and_none_for_one():
    assert entropy(np.array([5, 5, 5, 5])) == pytest.approx(1)
    assert entropy(np.array([9, 0, 0, 0])) == pytest.approx(0)
    assert entropy(np.array([2, 2, 0, 0])) == pytest.approx(0.5)


def test_purity_counts_the_most_frequent_label_of_each_group():
    groups, labels = np.array([1, 1, 1, 2, 2, 7]), np.array([0, 0, 3, 3, 4, 0])
    assert purity(groups, labels) == pytest.approx(4 / 6)
    assert numbers_of(["b", None, "a", "b", ""]).tolist() == [1, -1, 0, 1, -1]


def test_codes_of_groups_are_purer_than_random_ones_and_as_pure_as_k_means():
    random = np.random.default_rng(0)
    labels = random.integers(4, size=800)
    centres = random.normal(size=(4, 8))
    vectors = truncate((centres[labels] + random.normal(scale=0.05, size=(800, 8))).astype("f4"), 8)
    codes = np.stack([labels, random.integers(4, size=800)], axis=1)
    found = purities(codes, 4, labels, vectors)
    assert found["purity_1"] == found["purity_2"] == 1
    assert found["purity_kmeans_1"] > 0.7
    assert found["purity_random_1"] < 0.4


def test_neighbours_that_share_codes_are_counted_from_the_first_on():
    codes = np.array([[1, 2], [3, 4]])
    there = np.array([[True, True], [True, False]])
    others = np.array([[[1, 2], [1, 0]], [[0, 4], [3, 4]]])
    assert preserved(codes, there, others) == pytest.approx([2 / 3, 1 / 3])
