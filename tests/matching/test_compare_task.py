"""What a task finds among its items, and how best scores are counted by note, against numpy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_gallery import LIMITED, WIDTH, entry_rows, unit

from udfs.arrow import to_array
from udfs.matching.compare import CompareTask, make_compare, make_histograms
from uninote.errors import UninoteError
from uninote.gallery.entries import Group
from uninote.gallery.histograms import bins_of
from uninote.gallery.kinds import KINDS

HITS = pa.schema(
    [("note_id", pa.int64())]
    + [(name, pa.string()) for name in ("entry_id", "entry_kind", "category", "kind", "content_hash")]
    + [("entry_position", pa.int32()), ("position", pa.int32()), ("score", pa.float32())]
    + [("acts", pa.bool_()), ("threshold", pa.float64()), ("bins", pa.binary())]
)
COUNTED = pa.schema(
    [(name, pa.string()) for name in ("category", "entry_kind", "note_kind")]
    + [("bin", pa.int32()), ("notes", pa.int64())]
)


@pytest.fixture
def made(tmp_path):
    """A gallery's files, its vectors, and items of notes in batches: each note as a whole and three images."""
    rng = np.random.default_rng(0)
    parts = unit(rng, 30)
    rows = entry_rows(parts, ["image"] * 15 + ["text"] * 15, ["a", "b", "a"] * 10)
    paths = []
    for number, part in enumerate((rows.slice(0, 11), rows.slice(11))):
        paths.append(f"{tmp_path}/{number}.parquet")
        pq.write_table(part, paths[-1])
    notes = np.repeat(np.arange(50), 4)
    vectors = unit(rng, 200)
    items = pa.record_batch(
        {
            "item_key": np.arange(200),
            "item_id": [
                f"{note}" if place == 0 else f"{note}#image/{place - 1}" for note in range(50) for place in range(4)
            ],
            "note_id": notes,
            "kind": ["note", "image", "image", "image"] * 50,
            "content_hash": [f"h{number}" for number in range(200)],
            "vector": to_array(vectors),
        }
    )
    return paths, parts, vectors, [items.slice(0, 37), items.slice(37, 100), items.slice(137)]


def hits_of(made, **options):
    task = CompareTask(made[0], WIDTH, "g", LIMITED, **options)
    return pa.Table.from_batches(list(make_compare(task, HITS)(iter(made[3]))), HITS)


def pairs(rows):
    hits = rows.filter(rows["bins"].is_null()).to_pylist()
    found = {(row["entry_id"], row["note_id"], row["kind"], row["position"]): row for row in hits}
    assert len(found) == len(hits)
    return found


def expected(made, rows, entries):
    scores = made[2] @ made[1].T
    found = {}
    for item in rows:
        for entry in entries:
            if scores[item, entry] >= 0.3:
                kind = "note" if item % 4 == 0 else "image"
                found[f"e{entry}", item // 4, kind, max(0, item % 4 - 1)] = scores[item, entry]
    return found


def test_a_task_finds_what_numpy_finds(made):
    found = pairs(hits_of(made))
    wanted = expected(made, range(200), range(30))
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        assert row["score"] == pytest.approx(wanted[key], abs=1e-6)
        assert row["acts"] == (row["score"] >= 0.5)
        assert row["threshold"] == (0.5 if row["acts"] else 0.3)


def test_changed_items_meet_all_entries_and_others_the_changed_ones(made):
    keys = np.array([3, 40, 41, 199])
    rows = hits_of(made, keys=lambda: keys, changed=["e3", "e20"])
    others = [item for item in range(200) if item not in keys.tolist()]
    wanted = expected(made, keys.tolist(), range(30)) | expected(made, others, [3, 20])
    assert pairs(rows).keys() == wanted.keys()
    assert rows["bins"].null_count == len(rows) - len(keys)
    without = pairs(hits_of(made, without=["e3"]))
    assert without.keys() == expected(made, range(200), [one for one in range(30) if one != 3]).keys()


def test_a_note_counts_once_by_its_best_item(made):
    rows = hits_of(made)
    bins = (
        rows.filter(rows["bins"].is_valid())
        .select(["note_id", "kind", "bins"])
        .sort_by([("note_id", "ascending"), ("kind", "ascending")])
    )
    groups = [("image", "a"), ("image", "b"), ("text", "a"), ("text", "b")]
    run = make_histograms([Group(*one) for one in groups], COUNTED)
    found: Counter = Counter()
    for row in pa.Table.from_batches(list(run(iter(bins.to_batches(max_chunksize=33))))).to_pylist():
        found[row["entry_kind"], row["category"], row["note_kind"], row["bin"]] += row["notes"]
    scores = made[2] @ made[1].T
    kinds = np.array(["image"] * 15 + ["text"] * 15)
    categories = np.array(["a", "b", "a"] * 10)
    wanted: Counter = Counter()
    for kind, category in groups:
        best = scores[:, (kinds == kind) & (categories == category)].max(axis=1).reshape(50, 4)
        for note_kind, values in (("note", best[:, 0]), ("image", best[:, 1:].max(axis=1))):
            for number in bins_of(values).tolist():
                wanted[kind, category, note_kind, number] += 1
    assert found == wanted
    assert set(KINDS) >= {key[2] for key in found}


def test_a_vector_of_another_generation_is_refused(made):
    task = CompareTask(made[0], WIDTH, "other", LIMITED)
    with pytest.raises(UninoteError, match="generation g among those of other"):
        list(make_compare(task, HITS)(iter(made[3])))
