"""Rules inside the join: K stays K, whatever is passed over, and lists are those of brute force."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.by_rule import rule_lists
from uninote.neighbours.by_rule.changed_rows import Updated, join_by_rule
from uninote.neighbours.by_rule.rule_lists import excluded_by, join_rows
from uninote.neighbours.by_rule.rules import Rows, Rule
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import Search, Settings
from uninote.neighbours.recall import tie_aware_recall


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


def allowed_scores(rows, rule):
    """Return the scores of all pairs, -inf where the rule forbids one."""
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
    return scores


def brute_force(rows, rule, k):
    return -np.sort(-allowed_scores(rows, rule), axis=1)[:, :k]


REPOSTS = np.arange(2000, 2900, 3)


@pytest.fixture(scope="module")
def many():
    """Rows past what is joined exactly: authors whose notes are alike, one of them with a tenth of all notes, and reposts."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((60, 32))
    group = generator.integers(0, 60, 4500)
    vectors = centres[group] + 0.7 * generator.standard_normal((4500, 32))
    vectors[REPOSTS] = vectors[2000] + 0.086 * generator.standard_normal(
        (300, 32)
    )  # their scores are on either side of the limit
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    author = np.array([f"a{n}" for n in 10 * group + generator.integers(0, 10, 4500)], dtype=object)
    author[generator.random(4500) < 0.1] = "everywhere"
    author[::50] = None
    category = np.array([f"c{n}" for n in generator.choice(5, 4500, p=[0.6, 0.2, 0.1, 0.08, 0.02])], dtype=object)
    return Rows(vectors, {"author": author, "category": category})


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("leaves", [False, True])
def test_the_kernel_finds_what_a_rule_allows(many, rule, leaves, monkeypatch):
    if leaves:  # of so few rows all pairs would be scored
        settings = Settings(assignments=8, leaf_rows=300, length=32, recall=0.99, depth=12)
        monkeypatch.setattr(rule_lists, "settings_for", lambda *_: settings)
        monkeypatch.setattr(rule_lists, "WHOLE_ROWS", 400)
        monkeypatch.setattr(rule_lists, "EXACT_ROWS", 10)
    found = join_rows(many, rule, Search(10, 12, 0.99, 0))
    scores = allowed_scores(many, rule)
    held = found.ids >= 0
    real = np.where(held, np.take_along_axis(scores, np.maximum(found.ids, 0), axis=1), -np.inf)
    np.testing.assert_allclose(found.scores, real, atol=1e-5)
    best = -np.sort(-scores, axis=1)[:, :12]
    if rule.min_score is None:
        assert np.array_equal(held, np.isfinite(best))
    # Codes tell the scores of reposts with each other apart only roughly; entries past K are spare ones.
    others = np.setdiff1d(np.arange(4500), REPOSTS)
    assert tie_aware_recall(real[others], best[others], 10, tolerance=1e-5) > 0.985


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


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("changed", [0, 1, 17, 500])
def test_changed_rows_find_their_neighbours_and_enter_the_lists_they_belong_to(many, rule, changed):
    k = 10
    scores = allowed_scores(many, rule)
    limits = -np.sort(-scores[:, changed:], axis=1)[:, k - 1].astype(np.float32)
    limits[:changed] = -np.inf
    assignments = []
    settings = Settings(assignments=2, leaf_rows=300, length=16, recall=0.95)
    top_k(many.vectors[changed:], k, settings=settings, assignments=assignments)
    owners, others, found = join_by_rule(Updated(many, changed, limits), rule, Search(k, k, 0.99, 0), assignments)
    assert len(np.unique(owners * np.int64(4500) + others)) == len(owners)
    np.testing.assert_allclose(found, scores[owners, others], atol=1e-5)
    assert (found > limits[owners]).all()
    own = owners < changed
    best = -np.sort(-scores[:changed], axis=1)[:, :k]
    if rule.min_score is None:
        assert np.array_equal(np.bincount(owners[own], minlength=changed), np.isfinite(best).sum(axis=1))
    last = np.where(np.isfinite(best), best, np.inf).min(axis=1, initial=np.inf)
    assert not own.any() or (found[own] >= last[owners[own]] - 1e-5).mean() > 0.985
    wanted = np.minimum((scores[changed:, :changed] > limits[changed:, None] + 1e-6).sum(axis=1), k).sum()
    assert (~own).sum() >= 0.985 * wanted


def test_rules_become_numbers(rows):
    excluded = excluded_by(rows, Rule(different=("author",), never=(("category", ("c1",)),), max_score=0.9))
    author = rows.attributes["author"]
    assert ((excluded.groups[0][:, None] == excluded.groups[0]) == (author[:, None] == author)).all()
    assert (excluded.groups[0] < 0).tolist() == [value is None for value in author]
    assert excluded.is_neighbour.tolist() == [value != "c1" for value in rows.attributes["category"]]
    assert excluded.most == np.float32(0.9)
