"""Tables by spec: checked columns, idempotent changes, versions that can be gone back to."""

from __future__ import annotations

from pathlib import Path

import pytest
from delta.tables import DeltaTable as SparkDeltaTable
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql.types import StringType

from uninote.lake.delta_files import plain_files, restore, rows_in_log
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
    entry = "struct<note_id:string,score:float,strength:float,confidence:float>"
    assert f"missing:    neighbours array<{entry}>" in str(caught.value)
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
    feed = tables.read_changes(spark, uri, 2, 2).select("_change_type", "k", "v").collect()
    assert sorted(map(tuple, feed)) == [
        ("delete", 3, "c"),
        ("insert", 4, "d"),
        ("update_postimage", 2, "B"),
        ("update_preimage", 2, "b"),
    ]


def test_a_table_made_by_a_small_change_is_as_spark_would_make_it(spark, tmp_path):
    small, large, table = str(tmp_path / "small"), str(tmp_path / "large"), spec(spark)
    rows = changes(spark, (1, "a", False), (2, "b", False), (3, "c", True))
    tables.apply_changes(rows, table, small, rows=3)
    tables.apply_changes(rows, table, large)
    assert DeltaTable(small).metadata().configuration == DeltaTable(large).metadata().configuration
    assert tables.schema_of(small) == tables.schema_of(large)
    assert content(spark, small) == content(spark, large) == {1: "a", 2: "b"}
    bounds = [set(DeltaTable(uri).get_add_actions(flatten=True).schema.names) for uri in (small, large)]
    assert bounds[0] == bounds[1]


def test_restore_goes_back_to_a_version_or_to_nothing(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.apply_changes(changes(spark, (1, "a", False)), table, uri)
    tables.apply_changes(changes(spark, (2, "b", False)), table, uri)
    restore(uri, 1)
    assert content(spark, uri) == {1: "a"}
    restore(uri, tables.ABSENT)
    assert content(spark, uri) == {}
    feed = tables.read_changes(spark, uri, 3, 4).select("_change_type", "k").collect()
    assert sorted(map(tuple, feed)) == [("delete", 1), ("delete", 2)]


def test_restoring_what_a_vacuum_took_fails_and_changes_nothing(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.apply_changes(changes(spark, (1, "a", False)), table, uri)
    tables.overwrite(changes(spark, (2, "b", False)).drop(tables.DELETED), table, uri)
    DeltaTable(uri).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(DeltaError):
        restore(uri, 1)
    assert content(spark, uri) == {2: "b"}


@pytest.mark.parametrize("name", ["plain", "a {c}*", "é'\"`?"])
def test_the_files_of_a_version_are_read_whatever_the_folder_is_named(name, spark, tmp_path):
    uri, table = str(tmp_path / name / "t"), spec(spark)
    tables.append(changes(spark, (1, "a", False)).drop(tables.DELETED), table, uri)
    tables.append(changes(spark, (2, "b", False)).drop(tables.DELETED), table, uri)
    assert content(spark, uri) == {1: "a", 2: "b"}
    assert [tuple(row) for row in tables.read_table(spark, uri, 1).collect()] == [(1, "a")]


def test_a_table_that_is_more_than_its_files_is_read_by_its_log(spark, tmp_path):
    rows = changes(spark, (1, "a", False), (2, "b", False)).drop(tables.DELETED)
    kinds = {"mapped": {"delta.columnMapping.mode": "name"}, "deleted": {"delta.enableDeletionVectors": "true"}}
    for kind, options in kinds.items():
        uri = str(tmp_path / kind)
        writer = rows.coalesce(1).write.format("delta")
        for option, value in options.items():
            writer = writer.option(option, value)
        writer.save(uri)
        SparkDeltaTable.forPath(spark, uri).delete("k = 1")
        assert plain_files(uri, most=9) is None
        assert content(spark, uri) == {2: "b"}
        assert rows_in_log(uri) == (None if kind == "deleted" else 1)
    parts = str(tmp_path / "parts")
    rows.write.format("delta").partitionBy("k").save(parts)
    assert content(spark, parts) == {1: "a", 2: "b"}
    assert plain_files(parts, most=9) is None


def test_rows_are_not_counted_by_a_log_that_once_had_deletion_vectors(spark, tmp_path):
    uri = str(tmp_path / "t")
    rows = changes(spark, (1, "a", False), (2, "b", False)).drop(tables.DELETED).coalesce(1)
    rows.write.format("delta").option("delta.enableDeletionVectors", "true").save(uri)
    SparkDeltaTable.forPath(spark, uri).delete("k = 1")
    DeltaTable(uri).alter.set_table_properties({"delta.enableDeletionVectors": "false"})
    assert rows_in_log(uri) is None
    assert tables.read_table(spark, uri).count() == 1


def test_more_files_than_asked_for_and_missing_ones_are_left_to_the_log(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    for key in (1, 2):
        tables.append(changes(spark, (key, "a", False)).drop(tables.DELETED), table, uri)
    assert len(plain_files(uri, most=2)) == 2
    assert plain_files(uri, most=1) is None
    assert plain_files(uri, 9, most=2) is None
    Path(plain_files(uri, most=2)[0]).unlink()
    assert plain_files(uri, most=2) is None


def test_a_missing_table_is_told_by_its_place(spark, tmp_path):
    with pytest.raises(tables.MissingTableError, match=str(tmp_path / "none")):
        tables.read_table(spark, str(tmp_path / "none"))


def test_a_pinned_read_does_not_see_later_writes(spark, tmp_path):
    uri, table = str(tmp_path / "t"), spec(spark)
    tables.apply_changes(changes(spark, (1, "a", False)), table, uri)
    pinned = tables.read_table(spark, uri, tables.table_version(uri))
    tables.apply_changes(changes(spark, (1, "b", False)), table, uri)
    assert [row["v"] for row in pinned.collect()] == ["a"]
