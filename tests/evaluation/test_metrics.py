import math

import numpy as np
import pytest

from uninote.evaluation.metrics import kendall_tau, ndcg_at, precision_at, recall_at
from uninote.evaluation.ranks import Question, ranks_of


def test_recall_and_precision_by_hand():
    ranks = np.array([1, 4, 9])
    assert recall_at(ranks, 5) == pytest.approx(2 / 3)
    assert precision_at(ranks, 5) == pytest.approx(2 / 5)
    assert precision_at(ranks, 1) == 1


def test_ndcg_by_hand():
    # gains 2 and 1; the better one stands at 3, the other at 1
    found = 2 / math.log2(4) + 1 / math.log2(2)
    best = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg_at(np.array([3, 1]), 10) == pytest.approx(found / best)
    assert ndcg_at(np.array([1, 2, 3]), 10) == 1
    assert ndcg_at(np.array([1, 2, 3]), 2) == 1
    assert ndcg_at(np.array([11]), 10) == 0


def test_tau_counts_pairs():
    assert kendall_tau(np.array([1, 5, 9])) == 1
    assert kendall_tau(np.array([9, 5, 1])) == -1
    assert kendall_tau(np.array([2, 1, 3])) == pytest.approx(1 / 3)
    assert kendall_tau(np.array([4])) is None


def brute_ranks(query, gallery, question):
    scores = {row: float(query @ gallery[row]) for row in range(len(gallery)) if row not in question.left_out}
    order = sorted(scores, key=lambda row: -scores[row])
    return [order.index(row) + 1 for row in question.relevant]


def test_ranks_agree_with_sorting():
    random = np.random.default_rng(3)
    queries, gallery = (
        random.standard_normal((20, 6)).astype(np.float32),
        random.standard_normal((50, 6)).astype(np.float32),
    )
    questions = []
    for row in range(20):
        drawn = random.permutation(50)[:7].tolist()
        questions.append(Question(row, tuple(drawn[:3]), tuple(drawn[3:])))
    for question, ranks in zip(questions, ranks_of(queries, gallery, questions), strict=True):
        assert ranks.tolist() == brute_ranks(queries[question.vector], gallery, question)


def test_an_encoder_that_tells_nothing_apart_scores_as_chance_does():
    gallery = np.ones((200, 4), dtype=np.float32)
    questions = [Question(row, (row,)) for row in range(200)]
    ranks = np.concatenate(ranks_of(gallery, gallery, questions))
    assert sorted(ranks.tolist()) == list(range(1, 201))


def test_vectors_that_are_not_numbers_rank_last():
    gallery = np.array([[1.0], [np.nan], [0.5]], dtype=np.float32)
    assert ranks_of(np.ones((1, 1), dtype=np.float32), gallery, [Question(0, (1,))])[0].tolist() == [3]
