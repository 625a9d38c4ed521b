"""Attributes as workers read them of the files of notes, and the exact lists that a task writes of what it joins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from udfs.neighbours.attributes import AttributeColumns, make_with_attributes
from udfs.neighbours.cell_rows import Items
from udfs.neighbours.recall import Sampled, read_truth, write_truths
from uninote.lake.parquet_files import write_file
from uninote.neighbours.by_rule.rules import Rows, Rule

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def notes(ids, times):
    columns = {
        "note_id": pa.array(ids),
        "author": pa.array([None if place % 3 == 0 else f"of {note}" for place, note in enumerate(ids)], pa.string()),
        "updated_at": pa.array(times, pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns)


@pytest.mark.parametrize("as_id", [int, str])
def test_each_row_gets_the_attributes_of_its_note(tmp_path, as_id):
    ids = [as_id(number) for number in range(40)]
    times = [None if number % 7 == 0 else NOW - timedelta(days=number) for number in range(40)]
    first, second = notes(ids[:15], times[:15]), notes(ids[15:], times[15:])
    # As of files that Spark did not write: no note is without an id.
    second = second.cast(second.schema.set(0, second.schema.field("note_id").with_nullable(False)))
    files = [write_file(part, str(tmp_path)).path for part in (first, second)]
    columns = AttributeColumns(files, ["author", "fresh_10"], {"fresh_10": NOW - timedelta(days=10)})
    asked = [ids[place] for place in (30, 4, 15, 10, 11, 7)] + [as_id(99)]
    batch = pa.RecordBatch.from_pydict({"note_id": pa.array(asked), "more": pa.array(range(7))})
    (found,) = make_with_attributes(columns)(iter([batch.slice(0, 0), batch]))
    assert found.schema.names == ["note_id", "more", "author", "fresh_10"]
    assert found["author"].to_pylist() == [None, "of 4", None, "of 10", "of 11", "of 7", None]
    assert found["fresh_10"].to_pylist() == [None, "yes", None, "yes", None, None, None]


def test_a_task_writes_the_exact_lists_of_the_sample(tmp_path):
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    author = np.array([f"a{number % 5}" for number in range(300)], dtype=object)
    keys = generator.permutation(300) * 3
    items = Items(keys, pa.array(keys), Rows(vectors, {"author": author}))
    sampled = np.sort(keys[:20])
    rules = {
        "neighbours": Rule(),
        "at_least": Rule(min_score=0.5),
        "others": Rule(different=("author",), min_score=0.3),
    }
    records = list(write_truths(items, rules, Sampled(sampled, 6, str(tmp_path))))
    assert [record["table"][0].as_py() for record in records] == ["neighbours", "others"]
    place = {key: row for row, key in enumerate(keys)}
    scores = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    for record, least in zip(records, (-1.0, 0.3), strict=True):
        found, lists = read_truth(record["path"][0].as_py(), 6)
        assert np.array_equal(found, sampled)
        for row, key in enumerate(found):
            mine = scores[place[key]].copy()
            if least == 0.3:
                mine[author == author[place[key]]] = -np.inf
            mine[mine < least] = -np.inf
            np.testing.assert_allclose(lists.scores[row], -np.sort(-mine)[:6], atol=1e-6)
            held = lists.ids[row] >= 0
            np.testing.assert_allclose(
                mine[[place[other] for other in lists.ids[row][held]]], lists.scores[row][held], atol=1e-6
            )
