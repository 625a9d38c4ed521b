"""Rows of a table that are read without Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.parquet_files import DamagedFileError
from uninote.lake.small_tables import may_have_entries, read_all, read_batches


def test_rows_are_read_in_batches_and_columns_that_came_later_are_null_in_older_files(tmp_path):
    uri = str(tmp_path / "t")
    assert read_all(uri) == []
    write_deltalake(uri, pa.table({"key": [1, 2], "kind": ["a", "b"]}))
    write_deltalake(uri, pa.table({"key": [3], "kind": ["a"], "cut": [5]}), mode="append", schema_mode="merge")
    found = pa.Table.from_batches(read_batches(uri, ["key", "cut"])).sort_by("key")
    assert found.to_pydict() == {"key": [1, 2, 3], "cut": [None, None, 5]}
    assert sorted(row["kind"] for row in read_all(uri)) == ["a", "a", "b"]
    Path(next(Path(uri).glob("*.parquet"))).unlink()
    with pytest.raises(DamagedFileError, match="is gone"):
        list(read_batches(uri, ["key"]))
    assert DeltaTable(uri).version() == 1


def test_a_column_of_lists_is_asked_for_entries(tmp_path):
    uri = str(tmp_path / "t")
    kind = pa.list_(pa.string())
    write_deltalake(uri, pa.table({"images": pa.array([None, []], kind)}))
    assert not may_have_entries(uri, "images")
    write_deltalake(uri, pa.table({"images": pa.array([["a"]], kind)}), mode="append")
    assert may_have_entries(uri, "images")
    marked = str(tmp_path / "marked")
    settings = {"delta.enableDeletionVectors": "true"}
    write_deltalake(marked, pa.table({"images": pa.array([[]], kind)}), configuration=settings)
    assert may_have_entries(marked, "images")
