"""The join of coded rows, against all pairs in float64: when it stops, and how its candidates name rows."""

from __future__ import annotations

import numpy as np
import pytest
from clustered import all_scores, make_vectors

from uninote.neighbours.kernel.approximate import rank_again, top_k
from uninote.neighbours.kernel.assignments import MOST_RECORDED, Recorder
from uninote.neighbours.kernel.candidates import NO_ROW, key_position
from uninote.neighbours.kernel.codes import encode, mean_of
from uninote.neighbours.kernel.join import join_codes
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.recall import tie_aware_recall

SMALL = Settings(assignments=4, leaf_rows=200, rounds=1, length=16)
SAMPLED = Settings(assignments=8, leaf_rows=200, rounds=1, length=16, recall=0.9)


def positions(keys):
    return NO_ROW - ((keys >> 1) & NO_ROW)


def measure(vectors, k, **options):
    """Check what holds whatever the recall is, and return the recall."""
    ids, scores = top_k(vectors, k, **options)
    held = min(k, len(vectors) - 1)
    assert ids.shape == scores.shape == (len(vectors), held)
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)
    assert (ids >= 0).all()
    assert all(len(set(row)) == held and own not in row for own, row in enumerate(ids))
    truth = all_scores(vectors)
    found = np.take_along_axis(truth, ids, axis=1)
    np.testing.assert_allclose(scores, found, rtol=1e-4, atol=1e-5)
    return tie_aware_recall(found, -np.sort(-truth, axis=1)[:, :held], k, tolerance=1e-5)


@pytest.mark.parametrize("settings", [None, SMALL, SAMPLED], ids=["one leaf", "leaves", "sampled"])
def test_rows_find_their_neighbours(settings):
    assert measure(make_vectors(2000), 10, settings=settings) > (0.999 if settings is None else 0.9)


@pytest.mark.parametrize("rows", [2, 13])
@pytest.mark.parametrize("settings", [None, SMALL, SAMPLED])
def test_fewer_rows_than_k_are_all_found(rows, settings):
    assert measure(make_vectors(rows), 20, settings=settings) == 1


def test_a_join_ends_once_the_sample_has_found_enough():
    vectors, ran = make_vectors(2000), {}
    for recall in (0.2, 0.999):
        assignments = []
        settings = Settings(assignments=4, leaf_rows=40, rounds=0, length=16, recall=recall)
        join_codes(encode(vectors), settings, 0, Recorder(mean_of(vectors), assignments))
        ran[recall] = len(assignments)
    assert ran[0.2] < ran[0.999] == MOST_RECORDED


def test_lists_name_rows_through_the_order():
    vectors = make_vectors(1500)
    order, candidates = join_codes(encode(vectors), SMALL, 0)
    assert sorted(order) == list(range(1500))
    assert candidates.keys.shape == (1500, 16)
    assert key_position(candidates.keys[3, 2]) == positions(candidates.keys)[3, 2]
    ids, scores = rank_again(vectors, order, candidates.keys, 10)
    assert set(ids[order[7]]) <= set(order[positions(candidates.keys[7])])
    for strided in (np.asfortranarray(vectors), np.repeat(vectors, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(rank_again(strided, order, candidates.keys, 10)[0], ids)
    half, _ = rank_again(vectors.astype(np.float16), order, candidates.keys, 10)
    assert (half == ids).mean() > 0.95
    assert (scores[:, :-1] >= scores[:, 1:]).all()


def test_rows_that_share_a_further_pivot_meet_too():
    """Rows lie on an arc that is cut in twenty: those beside a cut have neighbours beyond it, which one leaf a row misses."""
    turn = np.linspace(0, np.pi / 2, 1000)
    vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    one, two = (
        measure(vectors, 5, settings=Settings(1, leaf_rows=50 * fan, fan=fan, rounds=0, length=32)) for fan in (1, 2)
    )
    assert one < 0.995
    assert two > 0.999
