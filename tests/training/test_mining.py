"""Negatives out of a whole pool, held against filters written out, and against pools where nearest neighbours find none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uninote.training.from_notes import mining
from uninote.training.from_notes.mining import Composites, histogram, max_sims, mine, quantile
from uninote.training.from_notes.negatives import Window, max_sim
from uninote.vectors.sampling import place_in_order

WIDTH = 8


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def composites(generator, count, first, most=4):
    """Return items with up to `most` elements each, their vectors beginning at row `first`, and in groups of three."""
    rows = []
    for _ in range(count):
        size = int(generator.integers(1, most + 1))
        rows.append(range(first, first + size))
        first += size
    numbers = np.arange(count, dtype=np.int64) * 10
    marks = generator.integers(-(2**63), 2**63 - 1, count)
    return Composites.of(numbers, np.arange(count) // 3, marks, rows), first


@pytest.fixture
def drawn():
    """Thirty queries, a pool of 400, and the vectors of all their elements."""
    generator = np.random.default_rng(0)
    queries, first = composites(generator, 30, 0)
    pool, first = composites(generator, 400, first)
    return queries, pool, unit(generator.standard_normal((first, WIDTH)))


def rows_of(items, place):
    return items.elements[items.starts[place] : items.starts[place + 1]]


def expected(queries, place, positive, pool, vectors, window):
    """Return the numbers that lie in the window, in the order of their hashes."""
    found = []
    for other in range(len(pool)):
        score = max_sim(vectors[rows_of(queries, place)], vectors[rows_of(pool, other)])
        inside = window.low <= score <= min(window.high, positive - window.margin)
        if inside and queries.groups[place] != pool.groups[other]:
            mark = place_in_order(queries.marks[place : place + 1], window.seed).view(np.int64) ^ pool.marks[other]
            found.append((int(place_in_order(mark, window.seed)[0]), int(pool.numbers[other])))
    return [number for _, number in sorted(found)]


def test_scores_are_those_of_pairs_taken_one_by_one(drawn):
    queries, pool, vectors = drawn
    scores = max_sims(queries, pool, vectors)
    for row in range(0, 30, 7):
        for column in range(0, 400, 13):
            alone = max_sim(vectors[rows_of(queries, row)], vectors[rows_of(pool, column)])
            assert scores[row, column] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("elements", [1, 37, 8192])
def test_of_all_that_lie_in_the_window_those_of_least_hash_are_kept(drawn, elements, monkeypatch):
    monkeypatch.setattr(mining, "_ELEMENTS", elements)
    monkeypatch.setattr(mining, "_QUERIES", 11)
    queries, pool, vectors = drawn
    positives = np.linspace(0.2, 1, 30).astype(np.float32)
    window = Window(0.1, 0.6, 0.05, 5, seed=3)
    mined = mine(queries, positives, pool, vectors, window)
    for place in range(30):
        numbers, scores = mined.of(place)
        all_inside = expected(queries, place, positives[place], pool, vectors, window)
        assert mined.inside[place] == len(all_inside)
        assert numbers.tolist() == all_inside[:5]
        assert (scores >= 0.1).all()
    assert mined.inside.max() > 50


def test_a_window_is_found_beyond_5000_nearer_candidates():
    generator = np.random.default_rng(1)
    query = unit(generator.standard_normal((1, 32)))
    others = unit(generator.standard_normal((5010, 32)))
    others -= (others @ query.T) * query
    cosines = np.concatenate([np.linspace(0.75, 0.95, 5000), np.linspace(0.55, 0.65, 10)])[:, None]
    pool = unit(cosines * query + np.sqrt(1 - cosines**2) * unit(others))
    vectors = np.concatenate([query, pool])
    ids = np.arange(5011, dtype=np.int64)
    asked = Composites.of(ids[:1], ids[:1], ids[:1], [[0]])
    there = Composites.of(ids[1:], ids[1:], ids[1:], [[row] for row in range(1, 5011)])
    mined = mine(asked, np.array([0.99], np.float32), there, vectors, Window(count=8))
    assert mined.inside.tolist() == [10]
    assert set(mined.of(0)[0].tolist()) <= set(range(5001, 5011))
    assert len(mined.of(0)[0]) == 8


def test_the_hardest_are_not_preferred_and_one_more_candidate_changes_little(drawn):
    queries, pool, vectors = drawn
    positives = np.full(30, 2, np.float32)
    window = Window(-0.9, 0.9, 0.01, 20)
    before = mine(queries, positives, pool, vectors, window)
    hardest = mine(queries, positives, pool, vectors, Window(0.5, 0.9, 0.01, 20))
    assert before.scores.mean() < hardest.scores.mean() - 0.2
    fewer = mine(queries, positives, pool.part(1, 400), vectors, window)
    for place in range(30):
        assert len(set(before.of(place)[0].tolist()) - set(fewer.of(place)[0].tolist())) <= 1


def test_no_right_answer_of_a_query_is_its_negative(drawn, monkeypatch):
    """A description that several notes share is a query of each of them, and in the group of the first alone."""
    monkeypatch.setattr(mining, "_QUERIES", 11)
    queries, pool, vectors = drawn
    answers = [[] if place % 2 else [50 + place, 90, 100] for place in range(30)]
    window = Window(-0.9, 0.9, 0.0, 400)
    before = mine(queries, np.full(30, 2, np.float32), pool, vectors, window)
    mined = mine(replace(queries, answers=answers), np.full(30, 2, np.float32), pool, vectors, window)
    for place in range(30):
        expected = [number for number in before.of(place)[0] if number // 10 // 3 not in answers[place]]
        assert mined.of(place)[0].tolist() == expected
    assert len(mined.numbers) < len(before.numbers)
    asked = replace(queries, answers=answers)
    assert histogram(asked, pool, vectors).sum() == histogram(queries, pool, vectors).sum() - 15 * 9


def test_what_the_teacher_has_no_vector_of_is_no_negative(drawn):
    queries, pool, vectors = drawn
    silent = pool.elements[pool.starts[:-1]][::2]
    vectors[silent] = np.nan
    found = mine(queries, np.full(30, 2, np.float32), pool, vectors, Window(-0.9, 0.9, 0.01, 400))
    assert len(found.numbers) > 0
    assert not set(found.numbers.tolist()) & set(pool.numbers[::2].tolist())


def test_shares_of_the_scores_are_those_of_all_pairs(drawn):
    queries, pool, vectors = drawn
    scores = max_sims(queries, pool, vectors)[queries.groups[:, None] != pool.groups]
    counts = histogram(queries, pool, vectors)
    assert counts.sum() == len(scores)
    for share in (0.01, 0.5, 0.9, 0.99):
        assert quantile(counts, share) == pytest.approx(np.quantile(scores, share), abs=2e-3)


def test_an_empty_pool_has_no_negatives(drawn):
    queries, pool, vectors = drawn
    found = mine(queries, np.full(30, 2, np.float32), pool.part(0, 0), vectors, Window())
    assert (len(found.numbers), found.inside.tolist()) == (0, [0] * 30)
