"""The join of changed rows by recorded leaves, against all pairs in float64."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.codes import encode_around
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.update import changed_join, probes
from uninote.neighbours.update.changed_join import ChangedRows
from uninote.neighbours.update.near_pivots import pivots_within
from uninote.neighbours.update.probes import join_probed
from uninote.neighbours.update.reach import Plan

K = 10
CHANGED = 400
RECALL = 0.9


def make_vectors(rows, width=64, clusters=300, seed=0):
    """Clustered unit vectors off the origin, as embeddings are."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, width), dtype=np.float32) + np.float32(0.3)
    vectors = centres[generator.integers(0, clusters, rows)]
    vectors += generator.standard_normal((rows, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def old_limits(vectors, changed, k=K):
    """The k-th best score of each unchanged row among the unchanged ones, exactly; -inf for the changed rows."""
    old, limits = vectors[changed:], np.full(len(vectors), -np.inf, np.float32)
    for start in range(0, len(old) if len(old) > k else 0, 1000):
        scores = old[start : start + 1000] @ old.T
        scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf
        limits[changed + start : changed + start + 1000] = np.partition(scores, -k, axis=1)[:, -k]
    return limits


def all_scores(vectors, changed):
    scores = vectors[:changed].astype(np.float64) @ vectors.astype(np.float64).T
    scores[np.arange(changed), np.arange(changed)] = -np.inf
    return scores


def measure(vectors, changed, k, limits, assignments, recall=RECALL, seed=0):
    """Check what holds whatever the recall is; return it, ties counted fairly: of changed rows, and of the others."""
    pairs, leaves = join_probed(ChangedRows(vectors, changed, limits), k, assignments, recall=recall, seed=seed)
    owners, others, scores = pairs
    assert (owners.dtype, others.dtype, scores.dtype) == (np.int32, np.int32, np.float32)
    assert [one.shape for one in leaves] == [(changed, one.leaves.shape[1]) for one in assignments]
    order = np.lexsort((others, -scores, owners))
    np.testing.assert_array_equal(order, np.arange(len(owners)))
    assert (owners != others).all()
    assert len(np.unique(owners * np.int64(len(vectors)) + others)) == len(owners)
    assert (scores > limits[owners]).all()
    assert (np.bincount(owners, minlength=1) <= k).all()
    assert (others[owners >= changed] < changed).all()
    truth = all_scores(vectors, changed)
    own = owners < changed
    assert abs(truth[owners[own], others[own]] - scores[own]).max(initial=0) < 1e-5
    assert abs(truth[others[~own], owners[~own]] - scores[~own]).max(initial=0) < 1e-5
    held = min(k, len(vectors) - 1)
    assert (np.bincount(owners[own], minlength=changed) == held).all()
    last = -np.sort(-truth, axis=1)[:, held - 1 : held] if held else np.zeros((changed, 1))
    forward = (scores[own].reshape(changed, held) >= last - 1e-6).mean() if held and changed else 1.0
    wanted = np.minimum((truth[:, changed:] > limits[changed:] + 1e-6).sum(axis=0), k).sum()
    return forward, min(1, (~own).sum() / wanted) if wanted else 1.0


@pytest.fixture(scope="module")
def joined():
    """Vectors whose first rows changed after a full join, limits, and the assignments of that join."""
    vectors, assignments = make_vectors(30_000 + CHANGED), []
    before = vectors[CHANGED:]
    _, scores = top_k(before, K, recall=0.95, assignments=assignments)
    limits = np.concatenate([np.full(CHANGED, -np.inf, np.float32), scores[:, -1]])
    return vectors, limits, assignments


def count_pairs(monkeypatch):
    """Return a list to which the pairs that leaves make are added."""
    counted, cut = [], changed_join.blocks_of

    def blocks_of(changed, others):
        counted.append(int((np.diff(changed) * np.diff(others)).sum()))
        return cut(changed, others)

    monkeypatch.setattr(changed_join, "blocks_of", blocks_of)
    return counted


def test_a_full_join_records_its_assignments(joined):
    vectors, _, assignments = joined
    assert 1 <= len(assignments) <= 4
    for pivots, leaves in assignments:
        assert (pivots.dtype, leaves.dtype, leaves.shape) == (np.float32, np.int32, (30_000, 2))
        assert len(np.unique(pivots, axis=0)) == len(pivots)
        some = vectors[CHANGED:][::100]
        near = (pivots**2).sum(axis=1) - 2 * some @ pivots.T
        assert (leaves[::100] == np.argsort(near, axis=1)[:, :2]).mean() > 0.95


def test_recording_changes_nothing(joined):
    vectors, options = make_vectors(3000), {"settings": Settings(assignments=6, leaf_rows=200, length=16)}
    recorded = []
    ids, _ = top_k(vectors, K, assignments=recorded, **options)
    np.testing.assert_array_equal(ids, top_k(vectors, K, **options)[0])
    assert [one.leaves.shape for one in recorded] == [(3000, 2)] * 4
    half = []
    top_k(vectors.astype(np.float16), K, assignments=half, **options)
    assert half[0].pivots.dtype == np.float32


def test_one_leaf_is_no_assignment():
    recorded = []
    top_k(make_vectors(500), K, assignments=recorded)
    assert recorded == []


@pytest.mark.parametrize("changed", [1, 13, 200])
def test_without_assignments_all_pairs_are_scored(changed):
    vectors = make_vectors(3000, clusters=30)
    forward, reverse = measure(vectors, changed, K, old_limits(vectors, changed), [])
    assert min(forward, reverse) > 0.999


def test_leaves_hold_the_recall_at_a_part_of_the_pairs(joined, monkeypatch):
    vectors, limits, assignments = joined
    counted = count_pairs(monkeypatch)
    forward, reverse = measure(vectors, CHANGED, K, limits, assignments)
    assert min(forward, reverse) > RECALL
    assert sum(counted) < 0.5 * CHANGED * 30_000


def test_more_recall_takes_more_pairs(joined, monkeypatch):
    vectors, limits, assignments = joined
    counted = count_pairs(monkeypatch)
    join_probed(ChangedRows(vectors, CHANGED, limits), K, assignments, recall=0.5, seed=0)
    before = sum(counted)
    forward, reverse = measure(vectors, CHANGED, K, limits, assignments, recall=0.97)
    assert min(forward, reverse) > 0.97
    assert sum(counted) - before > 1.2 * before


def test_leaves_that_say_nothing_are_not_relied_on(joined):
    vectors, limits, assignments = joined
    generator = np.random.default_rng(0)
    shuffled = [Assignment(one.pivots, generator.permutation(one.leaves)) for one in assignments]
    absent = [Assignment(one.pivots, np.full_like(one.leaves, -1)) for one in assignments]
    for useless in (shuffled, absent):
        assert min(measure(vectors, CHANGED, K, limits, useless)) > 0.999


def test_rows_without_leaves_cost_recall_no_more_than_their_share(joined):
    vectors, limits, assignments = joined
    some = [Assignment(one.pivots, one.leaves.copy()) for one in assignments]
    for one in some:
        one.leaves[::50] = -1
        one.leaves[1::50, 1] = -1
    assert min(measure(vectors, CHANGED, K, limits, some, recall=0.85)) > 0.85


def test_the_leaves_of_changed_rows_are_the_nearest(joined):
    vectors, limits, assignments = joined
    for recall in (0.9, 1.0):
        _, leaves = join_probed(ChangedRows(vectors, CHANGED, limits), K, assignments, recall=recall, seed=0)
        for (pivots, _), places in zip(assignments, leaves, strict=True):
            near = (pivots**2).sum(axis=1) - 2 * vectors[:CHANGED] @ pivots.T
            assert (places == np.argsort(near, axis=1)[:, :2]).mean() > 0.95
            assert places.dtype == np.int32


@pytest.mark.parametrize(("rows", "pivots", "margin"), [(1, 2, 0.0), (100, 70, 0.0), (100, 70, 0.1), (37, 600, 2.0)])
def test_rows_look_at_the_leaders_that_are_near_enough(rows, pivots, margin):
    vectors = make_vectors(rows + pivots, clusters=10)
    own, other = vectors[:rows].astype(np.float64), vectors[rows:].astype(np.float64)
    mean = vectors.mean(axis=0)
    codes = [encode_around(part, mean) for part in (vectors[:rows], vectors[rows:])]
    nearest, groups = pivots_within(make_workspace(pivots, 64), *codes, 2, margin)
    behind = (own[:, None] - other) ** 2
    behind = behind.sum(axis=2) / 2
    behind -= behind.min(axis=1, keepdims=True)
    assert (nearest == np.argsort(behind, axis=1)[:, :2]).mean() > 0.9
    looks = np.zeros((rows, pivots), bool)
    looks[groups.rows, np.repeat(np.arange(pivots), np.diff(groups.starts))] = True
    assert len(groups.rows) == looks.sum()
    assert looks.any(axis=1).all()
    assert looks[behind < margin - 0.01].all()
    assert not looks[behind > margin + 0.01].any()


def test_the_same_for_the_same_seed(joined):
    vectors, limits, assignments = joined
    first, again = (
        join_probed(ChangedRows(vectors, CHANGED, limits), K, assignments, recall=0.9, seed=3) for _ in range(2)
    )
    for one, other in zip([*first[0], *first[1]], [*again[0], *again[1]], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_list_that_stayed_short_is_filled_from_all_rows(joined, monkeypatch):
    vectors, limits, assignments = joined
    monkeypatch.setattr(probes, "cheapest_plan", lambda *_: Plan(1, 1, 0.01, 0.0))
    assert measure(vectors, CHANGED, K, limits, assignments)[0] < 0.9
    sparse = assignments[0]._replace(leaves=np.where(np.arange(30_000)[:, None] % 1000, -1, assignments[0].leaves))
    assert min(measure(vectors, CHANGED, K, limits, [sparse])) > 0.999


SHAPES = {
    "nothing": (np.zeros((0, 8), np.float32), 0),
    "one changed": (make_vectors(1, 8), 1),
    "one unchanged": (make_vectors(1, 8), 0),
    "one of each": (make_vectors(2, 8), 1),
    "none changed": (make_vectors(50, 8), 0),
    "all changed": (make_vectors(300, 8), 300),
    "fewer than k": (make_vectors(K, 8), 4),
    "all equal": (np.full((2500, 16), 0.25, np.float32), 150),
    "all zero": (np.zeros((2500, 16), np.float32), 150),
    "three vectors": (np.tile(make_vectors(3, 16), (800, 1)), 150),
    "ten of each": (np.tile(make_vectors(250, 16), (10, 1)), 250),
    "some zero": (np.concatenate([make_vectors(1000, 16), np.zeros((300, 16), np.float32)])[::-1].copy(), 400),
}


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("pivots", [0, 1, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_could_trip_it(shape, pivots, limited):
    vectors, changed = SHAPES[shape]
    assignments, generator = [], np.random.default_rng(0)
    for _ in range(2 if pivots else 0):
        fan = min(2, pivots)
        leaves = generator.integers(0, pivots, (len(vectors) - changed, fan)).astype(np.int32)
        assignments.append(Assignment(make_vectors(pivots, vectors.shape[1], seed=1), leaves))
    limits = old_limits(vectors, changed) if limited else np.full(len(vectors), -np.inf, np.float32)
    assert min(measure(vectors, changed, K, limits, assignments)) > 0.9


def test_hits_past_the_room_are_ranked_on_the_way(monkeypatch):
    vectors = make_vectors(8000, clusters=5)
    limits = old_limits(vectors, 450)
    limits[1000:2000] = -np.inf
    expected, _ = join_probed(ChangedRows(vectors, 450, limits), K, [], recall=1, seed=0)
    monkeypatch.setattr(changed_join, "_FIRST_ROOM", changed_join.NEAR_ROWS * changed_join.FAR_ROWS)
    ranked, rank = [], changed_join._rank_pairs
    monkeypatch.setattr(changed_join, "_rank_pairs", lambda *given: ranked.append(1) or rank(*given))
    found, _ = join_probed(ChangedRows(vectors, 450, limits), K, [], recall=1, seed=0)
    assert len(ranked) > 1
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_row_that_is_not_finite_is_named():
    vectors = make_vectors(300)
    vectors[7, 3] = np.nan
    with pytest.raises(UninoteError, match="row 7"):
        join_probed(ChangedRows(vectors, 150, np.full(300, -np.inf, np.float32)), K, [], recall=0.9, seed=0)


def test_few_changed_rows_meet_all_others(joined, monkeypatch):
    vectors, limits, assignments = joined
    monkeypatch.setattr(probes, "cheapest_plan", None)  # is not asked
    last = slice(CHANGED - 20, None)
    assert min(measure(vectors[last], 20, K, limits[last], assignments)) > 0.999
