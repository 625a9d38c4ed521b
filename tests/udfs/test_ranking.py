"""Lists whose hubs are ranked lower, and that show one note of a group, by files that other tasks wrote."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from udfs.arrow import pack
from udfs.neighbours.duplicates import GROUPS
from udfs.neighbours.files import PublicEntries, Shown, public_lists
from udfs.neighbours.publish import CLOSENESS, Ranking, make_closeness
from uninote.lake.parquet_files import write_file


def test_hubs_are_ranked_lower_and_groups_shown_once(tmp_path):
    keys = np.arange(4)
    scores = np.array([0.9, 0.7, 0.5, 0.1, 0.4, 0.2], np.float32)
    starts = np.array([0, 2, 4, 6, 6])
    lists = pa.RecordBatch.from_arrays([pa.array(keys), pack(scores, starts)], names=["item_key", "scores"])
    make = make_closeness(1, f"{tmp_path}/closeness")
    rows = [row for batch in make(iter([lists.slice(0, 2), lists.slice(2)])) for row in batch.to_pylist()]
    assert [row["kind"] for row in rows] == [CLOSENESS]
    sample = np.empty(0, np.int64)
    ranking = Ranking("", Shown(3), 1.0, sample, closeness=(rows[0]["path"],))
    np.testing.assert_allclose(ranking.means, [0.9, 0.5, 0.4, np.nan])
    owners, others, found = np.zeros(4, int), np.arange(4), np.array([0.9, 0.8, 0.6, 0.25], np.float32)
    # 0.0, 0.3, 0.2 and 0.25 are left.
    assert ranking.order(owners, others, found).tolist() == [1, 3, 2, 0]
    groups = write_file(pa.table({"item_key": [3, 1], "group_key": [1, 1]}), f"{tmp_path}/{GROUPS}").path
    for hubness, expected in ((1.0, [1, 2, 0]), (0.0, [0, 1, 2])):
        ranking = Ranking("", Shown(3), hubness, sample, closeness=(rows[0]["path"],), groups=(groups,))
        assert ranking.order(owners, others, found).tolist() == expected


def test_a_list_whose_best_is_not_sure_enough_is_shown_empty():
    lengths = np.array([3, 2, 0, 2, 1])
    confidences = np.array([0.9, 0.3, 0.2, 0.5, 0.4, np.nan, 0.1, 0.7], np.float32)
    ids = pa.array([f"n{number}" for number in range(8)])
    entries = PublicEntries(ids, np.linspace(1, 0, 8, dtype=np.float32), np.zeros(8, np.float32), confidences)
    owners = pa.array(["a", "b", "c", "d", "e"])
    seen = lambda **least: [  # noqa: E731
        [one["note_id"] for one in row]
        for row in public_lists(owners, lengths, entries, Shown(2, **least))[1].to_pylist()
    ]
    everything = [["n0", "n1"], ["n3", "n4"], [], ["n5", "n6"], ["n7"]]
    assert seen() == seen(min_best_confidence=0.0) == everything
    # An entry of which nothing is known is not known to be weak.
    assert seen(min_best_confidence=0.6) == [["n0", "n1"], [], [], ["n5", "n6"], ["n7"]]
    assert seen(min_best_confidence=0.6, min_confidence=0.35) == [["n0"], [], [], ["n5"], ["n7"]]
