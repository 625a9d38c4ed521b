"""Reading and writing Delta tables by TableSpec: pinned versions in, checked columns out, one commit a write."""

from __future__ import annotations

import re
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from uninote.errors import UninoteError
from uninote.schemas import TableSpec

ABSENT = -1  # the version of a table that does not exist
COMMIT = re.compile(r"\d{20}\.json")  # asking Delta itself costs a Spark job
DELETED = "_deleted"  # the column of a change frame that marks rows to remove


class MissingTableError(UninoteError):
    """A table that an earlier job makes is not there."""


def has_table(spark: SparkSession, uri: str) -> bool:
    """Say whether `uri` holds a Delta table."""
    return DeltaTable.isDeltaTable(spark, uri)


def read_table(spark: SparkSession, uri: str, version: int | None = None) -> DataFrame:
    """Return the table at `uri`, pinned to `version` when given. Raises MissingTableError."""
    if not has_table(spark, uri):
        raise MissingTableError(f"there is no Delta table at {uri}; run the job that makes it first, see README.md")
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(uri)


def read_or_empty(spark: SparkSession, spec: TableSpec, uri: str) -> DataFrame:
    """Return the table at `uri`, or no rows of its shape where it has not been written yet."""
    return read_table(spark, uri) if has_table(spark, uri) else spark.createDataFrame([], spec.schema)


def read_changes(spark: SparkSession, uri: str, first: int, last: int) -> DataFrame:
    """Return the change feed of the versions `first` to `last`. Fails on reading where the feed is off or has expired."""
    reader = spark.read.format("delta").option("readChangeFeed", "true")
    return reader.option("startingVersion", first).option("endingVersion", last).load(uri)


def table_id(spark: SparkSession, uri: str) -> str:
    """Return the identity of the table at `uri`, which a table made anew in the same place does not share."""
    return str(DeltaTable.forPath(spark, uri).detail().collect()[0]["id"])


def table_version(spark: SparkSession, uri: str) -> int:
    """Return the newest version of the table at `uri`: the number of its last commit file. Raises MissingTableError."""
    if not has_table(spark, uri):
        raise MissingTableError(f"there is no Delta table at {uri}; run the job that makes it first, see README.md")
    names = (status.getPath().getName() for status in _list(spark, f"{uri}/_delta_log"))
    return max(int(name.removesuffix(".json")) for name in names if COMMIT.fullmatch(name))


def version_or_absent(spark: SparkSession, uri: str) -> int:
    """Return the newest version of the table at `uri`, ABSENT when there is none."""
    return table_version(spark, uri) if has_table(spark, uri) else ABSENT


def restore(spark: SparkSession, uri: str, version: int) -> None:
    """Bring the table back to `version` in a new commit; one that was ABSENT then loses its rows."""
    if not has_table(spark, uri):
        return
    table = DeltaTable.forPath(spark, uri)
    if version == ABSENT:
        table.delete()
    elif version != table_version(spark, uri):
        table.restoreToVersion(version)


def remove(spark: SparkSession, uri: str) -> None:
    """Delete a folder of this run's own scratch files."""
    files, path = _files(spark, uri)
    files.delete(path, True)


def _list(spark: SparkSession, uri: str) -> Any:
    files, path = _files(spark, uri)
    return files.listStatus(path)


def _files(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path of `uri`, whichever store that is in."""
    path = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(uri)  # type: ignore[union-attr]
    return path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), path


def note_id_type(notes: DataFrame) -> DataType:
    """Return the type of `note_id`, which every table of a lake shares."""
    return notes.schema["note_id"].dataType


def conform(frame: DataFrame, spec: TableSpec) -> DataFrame:
    """Return `frame` with the columns of `spec`, in its order. Raises TableSchemaError when they are not those."""
    spec.check(frame.schema)
    return frame.select(*spec.columns)


def append(frame: DataFrame, spec: TableSpec, uri: str) -> None:
    """Add rows in one commit, creating the table when it is missing."""
    _create_followed(frame.sparkSession, spec, uri)
    conform(frame, spec).write.format("delta").mode("append").save(uri)


def overwrite(frame: DataFrame, spec: TableSpec, uri: str) -> None:
    """Replace all rows in one commit; readers of older versions are not disturbed."""
    _create_followed(frame.sparkSession, spec, uri)
    conform(frame, spec).write.format("delta").mode("overwrite").save(uri)


def _create_followed(spark: SparkSession, spec: TableSpec, uri: str) -> None:
    """Make an empty table where its first version must say that a change feed is kept."""
    if spec.feed and not has_table(spark, uri):
        made = DeltaTable.create(spark).location(uri).addColumns(spec.schema.toNullable())
        made.property("delta.enableChangeDataFeed", "true").execute()


def apply_changes(changes: DataFrame, spec: TableSpec, uri: str, where: str = "true") -> None:
    """Upsert the rows of `changes` by the key of `spec` in one commit; those with `_deleted` true are removed.

    `where` is a condition on the old rows (as `old.column`) that all affected ones meet: it spares reading the others.
    Applying the same changes twice gives the same table. Without any, do not call: an empty commit looks like news.
    """
    spec.check(changes.drop(DELETED).schema)
    if not has_table(changes.sparkSession, uri):
        append(changes.where(~F.col(DELETED)).drop(DELETED), spec, uri)
        return
    same_key = " AND ".join(f"old.{column} <=> new.{column}" for column in spec.key)
    values: dict[str, str | Column] = {column: f"new.{column}" for column in spec.columns}
    table = DeltaTable.forPath(changes.sparkSession, uri)
    merge = table.alias("old").merge(changes.alias("new"), f"{same_key} AND {where}")
    merge = merge.whenMatchedDelete(f"new.{DELETED}").whenMatchedUpdate(set=values)
    merge.whenNotMatchedInsert(f"NOT new.{DELETED}", values=values).execute()


def delete_keys(keys: DataFrame, spec: TableSpec, uri: str) -> None:
    """Remove the rows whose key is in `keys`, in one commit."""
    same_key = " AND ".join(f"old.{column} <=> gone.{column}" for column in spec.key)
    table = DeltaTable.forPath(keys.sparkSession, uri)
    table.alias("old").merge(keys.alias("gone"), same_key).whenMatchedDelete().execute()


def set_property(spark: SparkSession, uri: str, name: str, value: str) -> None:
    """Store a property with the table, unless it has that value already."""
    if table_property(spark, uri, name) != value:
        escaped = value.replace("'", "\\'")
        spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('{name}' = '{escaped}')")


def table_property(spark: SparkSession, uri: str, name: str) -> str | None:
    """Return a property of the table at `uri`, null when it has none of that name."""
    properties: dict[str, str] = DeltaTable.forPath(spark, uri).detail().collect()[0]["properties"]
    return properties.get(name)
