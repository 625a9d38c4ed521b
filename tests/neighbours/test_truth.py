"""The truth that recall is held to, against float64 and a plain sort."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.by_rule.rules import Rows, Rule, pairing_of
from uninote.neighbours.recall import exact_scores
from uninote.neighbours.truth import ExactSearch, exact_topk


def make_vectors(rows, cone=0.0):
    """Unit vectors; `cone` shifts them all towards one direction."""
    vectors = np.random.default_rng(0).standard_normal((rows, 24)) + cone
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def batches_of(keys, vectors, size):
    return ((keys[i : i + size], vectors[i : i + size]) for i in range(0, len(keys), size))


def sorted_by_score_and_key(queries, keys, vectors, k, own):
    """All pairs in float64, the plainest way."""
    best, scores = [], []
    for query, mine in zip(queries.astype(np.float64), own, strict=True):
        products = vectors.astype(np.float64) @ query
        order = [place for place in np.lexsort((keys, -products)) if keys[place] != mine][:k]
        best.append(keys[order])
        scores.append(products[order])
    return np.array(best), np.array(scores)


@pytest.mark.parametrize("size", [1, 7, 300, 5000])
@pytest.mark.parametrize("cone", [0.0, 30.0])
def test_batches_of_any_size_give_what_float64_gives(size, cone):
    vectors = make_vectors(3000 if size > 7 else 300, cone=cone)
    keys = np.random.default_rng(1).permutation(len(vectors)) + 5000
    queries = np.arange(0, len(vectors), len(vectors) // 40)
    found, scores = exact_topk(vectors[queries], batches_of(keys, vectors, size), 12, keys[queries])
    best, expected = sorted_by_score_and_key(vectors[queries], keys, vectors, 12, keys[queries])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-7)
    assert (found == best).mean() > 0.999  # the order of additions may swap two that are all but equal


def test_equal_vectors_are_ranked_by_key_whatever_their_order():
    vectors, keys = np.repeat(make_vectors(1), 2500, axis=0), np.random.default_rng(3).permutation(2500)
    found, scores = exact_topk(vectors[:2], batches_of(keys, vectors, 700), 3, keys[:2])
    assert found.tolist() == [[key for key in range(5) if key != own][:3] for own in keys[:2]]
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_a_corpus_smaller_than_k_leaves_slots_free():
    vectors = make_vectors(3)
    found, scores = exact_topk(vectors, batches_of(np.arange(3), vectors, 2), 5, np.arange(3))
    assert ((found >= 0).sum(axis=1) == 2).all()
    assert np.array_equal(np.isneginf(scores), found < 0)
    assert (exact_topk(vectors, iter(()), 5, np.arange(3))[0] == -1).all()


def test_exact_scores_finds_the_named_rows_and_no_others():
    vectors = make_vectors(50)
    keys = np.random.default_rng(2).permutation(50) * 3
    wanted = np.array([[keys[4], -1, keys[49]], [1, keys[0], 10_000]])
    scores = exact_scores(vectors[:2], batches_of(keys, vectors, 20), wanted)
    assert np.array_equal(np.isfinite(scores), [[True, False, True], [False, True, False]])
    np.testing.assert_allclose(scores[0, [0, 2]], vectors[[4, 49]] @ vectors[0], atol=1e-6)
    np.testing.assert_allclose(scores[1, 1], vectors[0] @ vectors[1], atol=1e-6)


@pytest.mark.parametrize("width", [5, 64, 200])
@pytest.mark.parametrize("outliers", [0, 3])
def test_bounds_of_codes_miss_nothing(width, outliers):
    """Few bits are left for a row with one great value: the bounds are wide there, and hold."""
    generator = np.random.default_rng(width)
    centres = generator.standard_normal((20, width))
    vectors = centres[generator.integers(0, 20, 5000)] + 0.3 * generator.standard_normal((5000, width))
    vectors[generator.random(5000) < 0.2, :outliers] += 40
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    keys = np.arange(5000)
    found, scores = exact_topk(vectors[:90], batches_of(keys, vectors, 1300), 15, keys[:90])
    best, expected = sorted_by_score_and_key(vectors[:90], keys, vectors, 15, keys[:90])
    np.testing.assert_allclose(scores, expected, atol=1e-7)
    assert (found == best).mean() > 0.999


def test_only_pairs_that_a_rule_allows_count():
    vectors = make_vectors(3000)
    generator = np.random.default_rng(4)
    attributes = {}
    for name, values in (("author", 5), ("language", 3), ("visibility", 2)):
        attributes[name] = np.array([f"{name}{n}" for n in generator.integers(0, values, 3000)], dtype=object)
        attributes[name][generator.random(3000) < 0.1] = None
    rows = Rows(vectors, attributes)
    mine = rows.take(np.arange(60))
    rule = Rule(same=("language",), different=("author",), never=(("visibility", ("visibility1",)),), max_score=0.6)
    search = ExactSearch(mine.vectors, np.arange(60), 8, 0.6)
    for part in np.array_split(np.arange(3000), 4):
        theirs = rows.take(part)
        search.offer(part, theirs.vectors, pairing_of(rule, mine, theirs))
    scores = vectors[:60].astype(np.float64) @ vectors.astype(np.float64).T
    author, language = attributes["author"], attributes["language"]
    scores[(language[:60, None] != language) | np.equal(language[:60], None)[:, None]] = -np.inf
    scores[(author[:60, None] == author) & ~np.equal(author[:60], None)[:, None]] = -np.inf
    scores[:, attributes["visibility"] == "visibility1"] = -np.inf
    scores[np.arange(60), np.arange(60)] = -np.inf
    scores[scores >= 0.6] = -np.inf
    np.testing.assert_allclose(search.found().scores, -np.sort(-scores, axis=1)[:, :8], atol=1e-6)
