"""Tables by spec: checked columns, idempotent changes, versions that can be gone back to."""

from __future__ import annotations

import pytest
from pyspark.sql.types import StringType

from uninote.lake.schemas import TableSchemaError, TableSpec, neighbours_table
from uninote.pipelines.lake import tables

pytestmark = pytest.mark.spark


def spec(spark) -> TableSpec:
    return TableSpec("t", spark.createDataFrame([], "k bigint, v string").schema, ("k",), feed=True)


def changes(spark, *rows):
    return spark.createDataFrame(rows, "k bigint, v string, _deleted boolean")


def content(spark, uri):
    return {row["k"]: row["v"] for row in tables.read_table(spark, uri).collect()}


def test_missing_unexpected_and_mistyped_columns_are_told_together(spark):
    frame = spark.createDataFrame([], "note_id bigint, score float")
    with pytest.raises(TableSchemaError) as caught:
        tables.conform(frame, neighbours_table(StringType()))
    assert "missing:    neighbours array<struct<note_id:string,score:float>>" in str(caught.value)
    assert "unexpected: score float" in str(caught.value)
    assert "mistyped:   note_id is bigint, must be string" in str(caught.value)


@pytest.mark.parametrize("rows", [None, 4], ids=["by MERGE", "in the driver"])
def test_changes_upsert_and_delete_and_can_be_applied_twice(spark, tmp_path, rows):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.apply_changes(changes(spark, (1, "a", False), (2, "b", False), (3, "c", False)), table, uri)
    for _ in range(2):
        tables.apply_changes(
            changes(spark, (2, "B", False), (3, None, True), (4, "d", False), (9, None, True)), table, uri, rows=rows
        )
        assert content(spark, uri) == {1: "a", 2: "B", 4: "d"}
    feed = tables.read_changes(spark, uri, 1, 1).select("_change_type", "k", "v").collect()
    assert sorted(map(tuple, feed)) == [
        ("delete", 3, "c"),
        ("insert", 4, "d"),
        ("update_postimage", 2, "B"),
        ("update_preimage", 2, "b"),
    ]


def test_restore_goes_back_to_a_version_or_to_nothing(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.restore(spark, uri, tables.ABSENT)
    tables.apply_changes(changes(spark, (1, "a", False)), table, uri)
    tables.apply_changes(changes(spark, (2, "b", False)), table, uri)
    tables.restore(spark, uri, 0)
    assert content(spark, uri) == {1: "a"}
    tables.restore(spark, uri, tables.ABSENT)
    assert content(spark, uri) == {}


def test_a_missing_table_is_told_by_its_place(spark, tmp_path):
    with pytest.raises(tables.MissingTableError, match=str(tmp_path / "none")):
        tables.read_table(spark, str(tmp_path / "none"))


def test_a_pinned_read_does_not_see_later_writes(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.apply_changes(changes(spark, (1, "a", False)), table, uri)
    pinned = tables.read_table(spark, uri, tables.table_version(uri))
    tables.apply_changes(changes(spark, (1, "b", False)), table, uri)
    assert [row["v"] for row in pinned.collect()] == ["a"]
