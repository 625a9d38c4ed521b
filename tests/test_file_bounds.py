"""Filters of deltalake find the rows of every file of a table, whoever wrote it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable
from pyspark.sql.types import ArrayType, BooleanType, FloatType, LongType, StringType

from uninote.lake.delta_files import add_files, files_of, replace_files
from uninote.lake.parquet_files import write_file
from uninote.lake.schemas.specs import struct_of

SCHEMA = struct_of(
    item_key=LongType(),
    note_id=StringType(),
    author=StringType(),
    whole=BooleanType(),
    score=FloatType(),
    others=ArrayType(StringType()),
    cell=LongType(),
)
FILTERS = {
    "item_key": ds.field("item_key") > 5,
    "author": ds.field("author") == "a7",
    "whole": ds.field("whole"),
    "score": ds.field("score") > 0.65,
    "note_id": ds.field("note_id") == "n7",
    "cell": ds.field("cell") == 1,
    "nobody": ds.field("author").is_null(),
}


def written(uri, keys, cell):
    columns = {
        "item_key": pa.array(keys, pa.int64()),
        "note_id": pa.array([f"n{key}" for key in keys]),
        "author": pa.array([f"a{key}" if key % 4 else None for key in keys], pa.string()),
        "whole": pa.array([key % 2 == 0 for key in keys]),
        "score": pa.array([key / 10 for key in keys], pa.float32()),
        "others": pa.array([["x"] for _ in keys]),
    }
    return write_file(pa.table(columns), f"{uri}/cell={cell}", group_rows=2)


def check(uri):
    table = DeltaTable(uri)
    rows = table.to_pyarrow_table()
    assert len(rows)
    for name, expression in FILTERS.items():
        found = table.to_pyarrow_dataset().to_table(filter=expression)
        assert sorted(found["item_key"].to_pylist()) == sorted(rows.filter(expression)["item_key"].to_pylist()), name


@pytest.fixture
def uri(tmp_path):
    place = str(tmp_path / "table")
    files = [written(place, [1, 2, 3], 0), written(place, [4, 8], 1)]
    replace_files(place, SCHEMA.json(), files, ["cell"])
    return place


def test_filters_on_any_column_find_their_rows(uri):
    check(uri)
    actions = pa.table(DeltaTable(uri).get_add_actions(flatten=True)).sort_by("min.item_key").to_pylist()
    for name, bounds in {
        "item_key": (1, 3),
        "note_id": ("n1", "n3"),
        "author": ("a1", "a3"),
        "whole": (None, None),
    }.items():
        assert (actions[0][f"min.{name}"], actions[0][f"max.{name}"]) == bounds
    assert (actions[0]["null_count.author"], actions[0]["num_records"]) == (0, 3)
    assert (actions[1]["null_count.author"], actions[1]["min.author"]) == (2, None)


def test_filters_find_rows_of_files_that_were_added_to_those_of_an_optimize(uri):
    DeltaTable(uri).optimize.compact()
    for keys in ([6, 7], [9, 10]):
        add_files(uri, DeltaTable(uri).version(), [written(uri, keys, 1)])
        check(uri)


def test_bounds_of_long_note_ids_are_exact(tmp_path):
    ids = ["x" * 500 + "b", "x" * 500 + "a"]
    schema = struct_of(note_id=StringType())
    replace_files(str(tmp_path), schema.json(), [write_file(pa.table({"note_id": ids}), str(tmp_path))])
    (file,) = files_of(str(tmp_path))
    assert (file.low, file.high) == (ids[1], ids[0])
