"""Agreement of labels against a plain recount, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.agreement import Facts, pairs_of, shares_of_chance, shares_of_lists, shares_of_scores
from uninote.evaluation.text_baseline import tfidf_scores

NOTES = [f"n{number}" for number in range(60)]
QUERIES = 25
K = 7


@pytest.fixture(scope="module")
def corpus():
    """Labels of all notes, some with two; groups and languages of some; random scores."""
    random = np.random.default_rng(3)
    labels = {note: frozenset(random.choice(list("abcd"), random.integers(1, 3))) for note in NOTES}
    groups = {note: f"g{random.integers(9)}" for note in NOTES[::2]}
    languages = {note: ("zh", "en")[random.integers(2)] for note in NOTES[5:]}
    return labels, Facts(groups, languages), random.random((QUERIES, len(NOTES)), np.float32)


def recount(corpus, admits, best):
    """Return the mean share of the `best` first admitted notes of each query."""
    labels, facts, scores = corpus
    agreed = []
    for query in range(QUERIES):
        ranked = sorted(range(len(NOTES)), key=lambda other: -scores[query, other])
        admitted = [other for other in ranked if other != query and admits(facts, NOTES[query], NOTES[other])]
        agreed += [bool(labels[NOTES[query]] & labels[NOTES[other]]) for other in admitted[:best]]
    return np.mean(agreed)


RULES = (
    ("first", lambda facts, one, other: True, 1),
    ("every", lambda facts, one, other: True, K),
    ("first_distinct", Facts.is_distinct, 1),
    ("first_abroad", Facts.is_abroad, 1),
)


@pytest.mark.parametrize(("name", "admits", "best"), RULES, ids=[rule[0] for rule in RULES])
def test_shares_are_those_of_a_plain_recount(corpus, name, admits, best):
    labels, facts, scores = corpus
    pairs = pairs_of(NOTES, QUERIES, labels, facts)
    found = shares_of_scores(scores, pairs, K)
    assert getattr(found, name) == pytest.approx(recount(corpus, admits, best))
    chance = shares_of_chance(pairs)
    assert getattr(chance, name) == pytest.approx(recount(corpus, admits, len(NOTES) if best == 1 else 10**6))


def test_lists_have_the_shares_of_the_scores_that_they_were_cut_from(corpus):
    labels, facts, scores = corpus
    lists = {}
    for query in range(QUERIES):
        ranked = sorted(range(len(NOTES)), key=lambda other: -scores[query, other])
        lists[NOTES[query]] = [NOTES[other] for other in ranked if other != query]
    found = shares_of_lists(lists, labels, facts)
    exact = shares_of_scores(scores, pairs_of(NOTES, QUERIES, labels, facts), K)
    assert (found.first, found.first_distinct, found.first_abroad) == pytest.approx(
        (exact.first, exact.first_distinct, exact.first_abroad)
    )


def test_pairs_without_a_label_do_not_count():
    labels = {"a": frozenset("x"), "c": frozenset("x"), "d": frozenset("y")}
    found = shares_of_lists({"a": ["b", "c", "d"], "b": ["a"], "c": ["d", "a"]}, labels, Facts({}, {}))
    assert (found.first, found.every, found.first_abroad) == (0.0, 0.5, None)


def test_tf_idf_finds_shared_words_in_any_script():
    texts = ["杭州的咖啡店", "fresh filter coffee", "咖啡店在巷子里", "Coffee, filtered", "大理骑行", ""]
    scores = tfidf_scores(texts, 2)
    np.fill_diagonal(scores, -1)
    assert scores.argmax(axis=1).tolist() == [2, 3]
    assert tfidf_scores(["", "  "], 1).tolist() == [[0, 0]]
