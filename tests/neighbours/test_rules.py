"""Rules inside the join: K stays K, whatever is passed over, and lists are those of brute force."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.rule_lists import join_rows
from uninote.neighbours.rules import Rows, Rule
from uninote.neighbours.update.all_pairs import join_changed


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((9, 24))
    group = generator.integers(0, 9, 700)
    vectors = centres[group] + 0.6 * generator.standard_normal((700, 24))
    vectors[100:140] = vectors[100] + 1e-4 * generator.standard_normal((40, 24))  # duplicates of one author
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    author = np.array([f"a{n}" for n in generator.integers(0, 12, 700)], dtype=object)
    author[100:140], author[::50] = "spam", None
    category = np.array([f"c{n}" for n in group], dtype=object)
    category[3] = None
    return Rows(vectors, {"author": author, "category": category})


RULES = [
    Rule(),
    Rule(same=("category",)),
    Rule(different=("author",)),
    Rule(different=("category",)),
    Rule(same=("category",), different=("author",)),
    Rule(only=(("category", ("c1", "c2")),)),
    Rule(never=(("author", ("a1", "spam")),)),
    Rule(max_score=0.995),
    Rule(min_score=0.8),
    Rule(different=("author",), min_score=0.8, max_score=0.995),
]


def brute_force(rows, rule, k):
    scores = rows.vectors.astype(np.float64) @ rows.vectors.T
    np.fill_diagonal(scores, -np.inf)
    for name in rule.same:
        values = rows.attributes[name]
        scores[(values[:, None] != values[None]) | np.equal(values, None)[:, None]] = -np.inf
    for name in rule.different:
        values = rows.attributes[name]
        scores[(values[:, None] == values[None]) & ~np.equal(values, None)[:, None]] = -np.inf
    for name, allowed in rule.only:
        scores[:, [value not in allowed for value in rows.attributes[name]]] = -np.inf
    for name, denied in rule.never:
        scores[:, [value in denied for value in rows.attributes[name]]] = -np.inf
    if rule.max_score is not None:
        scores[scores >= rule.max_score] = -np.inf
    if rule.min_score is not None:
        scores[scores < rule.min_score] = -np.inf
    return -np.sort(-scores, axis=1)[:, :k]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("k", [5, 60])
def test_lists_are_those_of_brute_force(rows, rule, k):
    ids, scores = join_rows(rows, rule, Search(k, k, 0.99, 0))
    expected = brute_force(rows, rule, k)
    assert np.array_equal(ids >= 0, np.isfinite(expected))
    held = ids >= 0
    np.testing.assert_allclose(scores[held], expected[held], atol=1e-5)
    real = np.einsum("nd,nkd->nk", rows.vectors, rows.vectors[ids])
    np.testing.assert_allclose(scores[held], real[held], atol=1e-5)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in ids)


def test_one_row_has_no_neighbours(rows):
    for rule in RULES:
        ids, scores = join_rows(rows.take(np.array([3])), rule, Search(4, 4, 0.9, 0))
        assert (ids == -1).all()
        assert np.isneginf(scores).all()


@pytest.mark.parametrize("changed", [0, 1, 17, 300, 700])
def test_changed_rows_find_their_neighbours_and_enter_the_lists_they_belong_to(rows, changed):
    vectors, k = np.delete(rows.vectors, np.arange(100, 140), axis=0), 10
    changed = min(changed, len(vectors))
    exact = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(exact, -np.inf)
    limits = -np.sort(-exact, axis=1)[:, k - 1].astype(np.float32) - 1e-6
    limits[:changed] = -np.inf
    ids, scores = join_changed(vectors, changed, k, limits)
    best = -np.sort(-exact[:changed], axis=1)[:, :k]
    # Scores a code's error apart may be told from each other only as far as the list has room to spare.
    assert (scores[:changed] > best - 1e-5).mean() > 0.995 if changed else True
    np.testing.assert_allclose(scores[:changed], best, atol=2e-3)
    missed = total = 0
    for row in range(changed, len(vectors)):
        wanted = {other for other in range(changed) if exact[row, other] > limits[row] + 2e-6}
        found = {int(other) for other in ids[row] if other >= 0}
        missed, total = missed + len(wanted - found), total + len(wanted)
        assert all(exact[row, other] > limits[row] - 2e-6 for other in found)
        assert row not in found
    assert missed <= 0.005 * total
