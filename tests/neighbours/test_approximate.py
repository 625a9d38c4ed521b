"""The approximate kernel against float64, on the shapes that could trip it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from clustered import all_scores, make_vectors

from uninote.errors import UninoteError
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.codes import encode
from uninote.neighbours.kernel.join import join_codes
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.kernel.simd.tiles import HAS_VNNI
from uninote.neighbours.recall import tie_aware_recall

SMALL = Settings(assignments=4, leaf_rows=200, rounds=1, length=16)


def measure(vectors, k, **options):
    """Check what holds whatever the recall is, and return the recall."""
    ids, scores = top_k(vectors, k, **options)
    held = min(k, len(vectors) - 1)
    assert ids.shape == scores.shape == (len(vectors), held)
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)
    truth, missing = all_scores(vectors), ids < 0
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in ids)
    assert not (ids == np.arange(len(vectors))[:, None]).any()
    assert np.isneginf(scores[missing]).all()
    found = np.where(missing, -np.inf, np.take_along_axis(truth, np.maximum(ids, 0), axis=1))
    np.testing.assert_allclose(scores, found, rtol=1e-4, atol=1e-5)
    assert (scores[:, 1:] <= scores[:, :-1]).all()
    assert ((ids[:, 1:] > ids[:, :-1]) | (scores[:, 1:] < scores[:, :-1]) | missing[:, 1:]).all()
    return tie_aware_recall(found, -np.sort(-truth, axis=1)[:, : held or 1], held or 1, tolerance=1e-5)


@pytest.mark.parametrize("width", [1, 2, 3, 63, 64, 65, 100, 200])
def test_any_width(width):
    vectors = np.random.default_rng(width).standard_normal((500, width)).astype(np.float32)
    assert measure(vectors, 5) > 0.99
    assert measure(vectors, 5, settings=SMALL) > (0.6 if width > 1 else 0.9)


@pytest.mark.parametrize("rows", [2, 3, 11, 12, 13, 31, 32, 33, 97])
def test_few_rows_are_ranked_exactly(rows):
    assert measure(make_vectors(rows), 20) == 1
    assert measure(make_vectors(rows), 20, settings=SMALL) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_one_row_has_no_neighbours(dtype):
    ids, scores = top_k(make_vectors(1).astype(dtype), 5)
    assert ids.shape == scores.shape == (1, 0)


@pytest.mark.parametrize(
    "settings", [Settings(assignments=6, leaf_rows=200, rounds=0), Settings(assignments=3, leaf_rows=200, rounds=2)]
)
def test_partitions_and_local_joins_find_nearly_all(settings):
    vectors = make_vectors(6000, width=48, clusters=100)
    assert measure(vectors, 10, settings=settings) > 0.97


def test_local_joins_raise_recall():
    vectors = make_vectors(5000, width=64, clusters=3)
    poor, better = (
        measure(vectors, 10, settings=Settings(assignments=1, leaf_rows=150, rounds=rounds)) for rounds in (0, 1)
    )
    assert better > poor + 0.1


@pytest.mark.parametrize("settings", [None, SMALL])
@pytest.mark.parametrize(
    "vectors",
    [
        np.full((1500, 32), 0.25, np.float32),
        np.zeros((1500, 32), np.float32),
        np.repeat(make_vectors(3), 500, axis=0),
        np.repeat(make_vectors(300), 5, axis=0),
        np.concatenate([make_vectors(1000), np.zeros((300, 24), np.float32)]),
    ],
    ids=["all equal", "all zero", "three vectors", "five of each", "some zero"],
)
def test_degenerate_vectors(vectors, settings):
    assert measure(vectors, 4, settings=settings) > 0.99


def test_one_giant_cluster_among_small_ones():
    generator = np.random.default_rng(0)
    giant = make_vectors(1, 32)[0] + generator.standard_normal((4000, 32)) / 100
    vectors = np.concatenate([giant, make_vectors(1000, 32, 50)]).astype(np.float32)
    assert measure(vectors, 10, settings=Settings(assignments=4, leaf_rows=200, rounds=1, length=16)) > 0.9


def test_outliers_do_not_cost_the_others_their_precision():
    vectors = make_vectors(3000, 40, 30)
    vectors[::500] *= 1000
    vectors[:, 7] *= 30
    assert measure(vectors, 10) > 0.99


def test_layout_and_type_of_the_input_do_not_matter():
    vectors = make_vectors(2500, 50).astype(np.float16)
    expected = top_k(vectors, 7, settings=SMALL)
    wide = np.zeros((5000, 100), np.float16)
    wide[::2, ::2] = vectors
    for same in (np.asfortranarray(vectors), wide[::2, ::2], vectors.astype(np.float32)):
        ids, scores = top_k(same, 7, settings=SMALL)
        np.testing.assert_array_equal(ids, expected[0])
        np.testing.assert_allclose(scores, expected[1], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-36, 1e-14, 1e6, 1e18])
def test_very_short_and_very_long_vectors(scale):
    vectors = make_vectors(600) * np.float32(scale)
    ids, scores = top_k(vectors, 5, settings=SMALL)
    assert (ids >= 0).all()
    assert np.isfinite(scores).all()
    if scale > 1e-30:  # products of shorter ones are nothing in float32
        truth = all_scores(vectors)
        found = np.take_along_axis(truth, ids.astype(np.int64), axis=1)
        assert tie_aware_recall(found, -np.sort(-truth, axis=1)[:, :5], 5, tolerance=0) > 0.9


def test_the_callers_vectors_are_left_as_they_are():
    vectors = make_vectors(500)
    before = vectors.copy()
    vectors.flags.writeable = False
    top_k(vectors, 5, settings=SMALL)
    np.testing.assert_array_equal(vectors, before)


def test_deterministic_for_a_seed():
    vectors = make_vectors(3000)
    first, same, other = (
        top_k(vectors, 5, settings=Settings(1, leaf_rows=100, rounds=0, length=16), seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first[0], same[0])
    np.testing.assert_array_equal(first[1], same[1])
    assert (first[0] != other[0]).any()


@pytest.mark.skipif(not HAS_VNNI, reason="there is only the portable path here")
def test_the_portable_path_gives_the_same_lists():
    codes = encode(make_vectors(1500, 70))
    (order, fast), (same, slow) = (join_codes(codes, replace(SMALL, vnni=vnni), 0) for vnni in (True, False))
    np.testing.assert_array_equal(order, same)
    np.testing.assert_array_equal(fast.keys, slow.keys)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_row_without_meaning_is_named(wrong, dtype):
    vectors = make_vectors(50).astype(dtype)
    vectors[17, 3] = wrong
    with pytest.raises(UninoteError, match="row 17"):
        top_k(vectors, 5)


@pytest.mark.parametrize(
    ("vectors", "k"),
    [
        (np.zeros((0, 4), np.float32), 3),
        (np.zeros(4, np.float32), 3),
        (np.zeros((4, 4)), 3),
        (np.zeros((4, 4), np.float32), 0),
        (np.zeros((4, 0), np.float32), 1),
        (np.zeros((2, 2**16 + 1), np.float32), 1),
    ],
)
def test_what_cannot_be_ranked_is_refused(vectors, k):
    with pytest.raises(UninoteError):
        top_k(vectors, k)


def test_long_rows_are_everyones_neighbours_and_found():
    vectors = make_vectors(4000, 32, 60)
    vectors[::97] *= 3
    assert measure(vectors, 10, settings=Settings(assignments=3, leaf_rows=200, length=16)) > 0.97


def test_lists_that_stay_short_are_filled():
    vectors = make_vectors(1200)
    ids, _ = top_k(vectors, 20, settings=Settings(assignments=1, leaf_rows=12, fan=1, rounds=0))
    assert (ids >= 0).all()


@pytest.mark.parametrize("k", [1, 30, 70, 600])
def test_any_k(k):
    assert measure(make_vectors(700), k) > 0.999
    assert measure(make_vectors(700), k, settings=Settings(assignments=3, leaf_rows=150)) > 0.8


@pytest.mark.parametrize("clusters", [1, 2000])
def test_recall_asked_for_is_reached_however_hard_the_data_are(clusters):
    vectors = make_vectors(25_000, 32, clusters)
    queries = np.arange(0, 25_000, 50)
    ids, scores = top_k(vectors, 10, recall=0.95)
    exact = vectors[queries].astype(np.float64) @ vectors.astype(np.float64).T
    exact[np.arange(len(queries)), queries] = -np.inf
    found = np.take_along_axis(exact, ids[queries].astype(np.int64), axis=1)
    assert tie_aware_recall(found, -np.sort(-exact, axis=1)[:, :10], 10) > 0.94
    np.testing.assert_allclose(scores[queries], found, atol=1e-5)
