"""Rows of a join are reported while it runs, each once, within one cell and whatever its tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.neighbours.full_join import JoinTask, make_cell_join
from uninote.neighbours.background import Background
from uninote.neighbours.by_rule.rules import Rule
from uninote.neighbours.kernel import join as kernel_join
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import Search, Settings
from uninote.neighbours.results.progress import RowsDone, watching
from uninote.neighbours.update import changed_join
from uninote.neighbours.update.changed_join import ChangedRows
from uninote.neighbours.update.probes import join_probed


def vectors(rows, width=64):
    found = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_a_join_says_after_each_assignment_how_far_it_is():
    seen = []
    with watching(seen.append):
        top_k(vectors(2000), 5, settings=Settings(assignments=4, leaf_rows=100, rounds=0))
    top_k(vectors(2000), 5, settings=Settings(assignments=4, leaf_rows=100, rounds=0))  # nobody watches
    assert seen == [0.25, 0.5, 0.75]


def test_a_join_of_all_pairs_says_how_many_it_has_scored(monkeypatch):
    rows, settings, seen = vectors(500), Settings(assignments=1, leaf_rows=500, rounds=0), []
    at_once = top_k(rows, 5, settings=settings)
    monkeypatch.setattr(kernel_join, "_TOGETHER", 100)
    with watching(seen.append):
        in_parts = top_k(rows, 5, settings=settings)
    np.testing.assert_allclose(seen, [0, 0.36, 0.64, 0.84, 0.96])
    np.testing.assert_array_equal(in_parts.ids, at_once.ids)
    np.testing.assert_array_equal(in_parts.scores, at_once.scores)


def test_a_join_that_will_end_early_says_so():
    """Of 70 assignments that it may take, far fewer find what is asked: what they found says how far it is."""
    rows, seen = vectors(2000), []
    with watching(seen.append):
        top_k(rows, 5, settings=Settings(assignments=70, leaf_rows=100, rounds=0, recall=0.9))
    assert 2 < len(seen) < 35
    assert max(seen) > 0.6


def test_an_update_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr(changed_join, "_BLOCKS", 2)
    rows = ChangedRows(vectors(6000), 1200, np.full(6000, -np.inf, np.float32))
    all_pairs = []
    with watching(all_pairs.append):
        join_probed(rows, 5, [], recall=0.9, seed=0)
    np.testing.assert_allclose(np.unique(all_pairs), np.array([0, 2, 4, 6, 8]) / 9)  # blocks of at most 480 x 2016

    before, by_leaves = [], []
    top_k(rows.vectors[1200:], 5, settings=Settings(assignments=2, leaf_rows=100, rounds=0), assignments=before)
    with watching(by_leaves.append):
        join_probed(rows, 5, before, recall=0.2, seed=0)
    assert len(by_leaves) > 5
    assert by_leaves == sorted(by_leaves)
    assert max(by_leaves) < 1


def test_rows_are_counted_once_and_never_back():
    counted = []
    done = RowsDone(100, 2, counted.append)
    first = done.within(0)
    for share in (0.25, 0.5, 0.1, 0.5):
        first(share)
    assert counted == [12, 13]
    done.reach(1)
    done.within(1)(0.5)
    done.reach(2)
    done.reach(2)
    assert counted == [12, 13, 25, 25, 25]


@pytest.mark.parametrize("rules", [{"neighbours": Rule()}, {"neighbours": Rule(), "close": Rule(min_score=0.2)}])
def test_a_cell_counts_all_its_rows(rules):
    rows = vectors(300)
    offsets = pa.array(np.arange(301, dtype=np.int32) * 64)
    lists = pa.ListArray.from_arrays(offsets, pa.array(rows.ravel()))
    batch = pa.record_batch({"item_key": np.arange(300), "note_id": np.arange(300), "vector": lists})
    counted = []

    def sink(name, lists):
        assert sum(map(len, lists)) == 300
        return iter(())

    background = Background.of(np.arange(300), rows)
    task = JoinTask(rules, Search(5, 8, 0.9, 0), 64, background)
    join = make_cell_join(task, sink, lambda *_: iter(()), counted.append)
    list(join(iter([batch])))
    assert sum(counted) == 300
    assert len(counted) == len(rules)
