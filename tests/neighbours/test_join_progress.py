"""Rows of a join are reported while it runs, each once, within one cell and whatever its tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.neighbours.full_join import JoinTask, make_cell_join
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import Search, Settings
from uninote.neighbours.progress import RowsDone, watching
from uninote.neighbours.rules import Rule


def vectors(rows, width=64):
    found = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_a_join_says_after_each_assignment_how_far_it_is():
    seen = []
    with watching(seen.append):
        top_k(vectors(2000), 5, settings=Settings(assignments=4, leaf_rows=100, rounds=0))
    top_k(vectors(2000), 5, settings=Settings(assignments=4, leaf_rows=100, rounds=0))  # nobody watches
    assert seen == [0.25, 0.5, 0.75]


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

    join = make_cell_join(JoinTask(rules, Search(5, 8, 0.9, 0), 64), sink, lambda *_: iter(()), counted.append)
    list(join(iter([batch])))
    assert sum(counted) == 300
    assert len(counted) == len(rules)
