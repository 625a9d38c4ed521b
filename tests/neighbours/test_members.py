"""The join of members with visitors, as a plan over cells runs it, against all pairs in float64."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.neighbours.kernel.approximate import rank_again, top_k, top_k_among
from uninote.neighbours.kernel.candidates import NO_ROW, key_position
from uninote.neighbours.kernel.codes import encode
from uninote.neighbours.kernel.join import join_codes
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.recall import tie_aware_recall

SMALL = Settings(assignments=4, leaf_rows=200, rounds=1, length=16)
SAMPLED = Settings(assignments=8, leaf_rows=200, rounds=1, length=16, recall=0.9)


def make_vectors(rows, width=24, clusters=8, seed=0):
    """Clustered unit vectors off the origin, as embeddings are."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, width)) + 0.5
    vectors = centres[generator.integers(0, clusters, rows)] + generator.standard_normal((rows, width)) / 2
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def member_scores(vectors, members):
    scores = vectors[:members].astype(np.float64) @ vectors.astype(np.float64).T
    scores[np.arange(members), np.arange(members)] = -np.inf
    return scores


def positions(keys):
    return NO_ROW - ((keys >> 1) & NO_ROW)


def measure(vectors, members, k, **options):
    """Check what holds whatever the recall is, and return the recall."""
    ids, scores = top_k_among(vectors, members, k, **options)
    assert ids.shape == scores.shape == (members, k)
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)
    truth, missing = member_scores(vectors, members), ids < 0
    assert (missing.sum(axis=1) >= k - (len(vectors) - 1)).all()
    assert (np.diff(missing.astype(int), axis=1) >= 0).all()  # what is left over comes last
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in ids)
    assert not (ids == np.arange(members)[:, None]).any()
    assert np.isneginf(scores[missing]).all()
    assert (ids[missing] == -1).all()
    found = np.where(missing, -np.inf, np.take_along_axis(truth, np.maximum(ids, 0), axis=1))
    np.testing.assert_allclose(scores, found, rtol=1e-4, atol=1e-5)
    return tie_aware_recall(found, -np.sort(-truth, axis=1)[:, :k], k, tolerance=1e-5)


@pytest.mark.parametrize("settings", [None, SMALL, SAMPLED], ids=["one leaf", "leaves", "sampled"])
@pytest.mark.parametrize("members", [1, 31, 600, 1999, 2000])
def test_members_find_their_neighbours_among_all(members, settings):
    vectors = make_vectors(2000)
    recall = measure(vectors, members, 10, settings=settings)
    assert recall > (0.999 if settings is None else 0.9)


def test_visitors_are_found_and_have_no_lists():
    vectors = make_vectors(2000)
    ids, _ = top_k_among(vectors, 600, 10, settings=SMALL)
    assert len(ids) == 600
    assert 0.5 < (ids >= 600).mean() < 0.9  # 0.7 of the rows are visitors


def test_when_all_rows_are_members_it_is_top_k():
    vectors = make_vectors(900)
    for mine, plain in zip(
        top_k_among(vectors, 900, 7, settings=SMALL), top_k(vectors, 7, settings=SMALL), strict=True
    ):
        np.testing.assert_array_equal(mine, plain)


@pytest.mark.parametrize(("rows", "members"), [(1, 1), (2, 1), (2, 2), (13, 4), (13, 13)])
@pytest.mark.parametrize("settings", [None, SMALL])
def test_fewer_candidates_than_k_leave_slots_free(rows, members, settings):
    assert measure(make_vectors(rows), members, 20, settings=settings) == 1
    ids, _ = top_k_among(make_vectors(rows), members, 20, settings=settings)
    assert ((ids >= 0).sum(axis=1) == rows - 1).all()


def test_no_members_have_no_neighbours():
    ids, scores = top_k_among(make_vectors(30), 0, 5)
    assert ids.shape == scores.shape == (0, 5)


@pytest.mark.parametrize("members", [-1, 31])
def test_members_that_are_not_there_are_refused(members):
    with pytest.raises(UninoteError, match=f"members {members}"):
        top_k_among(make_vectors(30), members, 5)


def test_visitors_far_from_all_members_do_not_disturb():
    vectors = make_vectors(2500, clusters=20)
    vectors[1000:] = vectors[1000:] * 3 + 5
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert measure(vectors, 1000, 10, settings=SMALL) > 0.9


def test_visitors_equal_to_members_are_neighbours_of_score_one():
    half = make_vectors(400)
    ids, scores = top_k_among(np.concatenate([half, half]), 400, 3, settings=SMALL)
    np.testing.assert_array_equal(ids[:, 0], np.arange(400, 800))
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)


def test_lists_name_rows_through_the_order_members_first():
    vectors = make_vectors(1500)
    order, lists = join_codes(encode(vectors), 500, SMALL, 0)
    assert sorted(order[:500]) == list(range(500))
    assert sorted(order) == list(range(1500))
    assert lists.keys.shape == (500, 16)
    assert (key_position(lists.keys[3, 2]), *order[:0]) == (positions(lists.keys)[3, 2],)
    ids, scores = rank_again(vectors, order, lists.keys, 10)
    assert set(ids[order[7]]) <= set(order[positions(lists.keys[7])])
    for strided in (np.asfortranarray(vectors), np.repeat(vectors, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(rank_again(strided, order, lists.keys, 10)[0], ids)
    half, _ = rank_again(vectors.astype(np.float16), order, lists.keys, 10)
    assert (half == ids).mean() > 0.95
    assert (scores[:, :-1] >= scores[:, 1:]).all()


def test_limits_keep_out_what_is_of_no_use():
    vectors = make_vectors(800)
    codes = encode(vectors)
    _, lists = join_codes(codes, 500, SMALL, 0, limits=np.full(500, 1e9, np.float32))
    assert (positions(lists.keys) == NO_ROW).all()


def test_limits_let_through_what_beats_them():
    vectors = make_vectors(800)
    truth, mean = member_scores(vectors, 500), vectors.mean(axis=0, dtype=np.float64)
    tenth = -np.sort(-truth, axis=1)[:, 9]
    limits = (tenth - 0.01 - mean @ mean).astype(np.float32)  # int8 scores are that rough
    order, lists = join_codes(encode(vectors), 500, SMALL, 0, limits=limits)
    ids, scores = rank_again(vectors, order, lists.keys, 10)
    assert (scores[ids >= 0] > np.repeat(tenth, 10)[(ids >= 0).ravel()] - 0.03).all()
    found = np.where(ids < 0, -np.inf, np.take_along_axis(truth, np.maximum(ids, 0), axis=1))
    assert tie_aware_recall(found, -np.sort(-truth, axis=1)[:, :10], 10, tolerance=1e-5) > 0.95
