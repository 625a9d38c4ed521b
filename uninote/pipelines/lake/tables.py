"""Reading and writing Delta tables by TableSpec: pinned versions in, checked columns out, one commit a write.

Rows are Spark's. What only the table's log knows is read without it: Spark would plan a job to find a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import deltalake
from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField, StructType

from uninote.errors import UninoteError
from uninote.lake.delta_files import columns_of, create_table, has_files, has_log, plain_files
from uninote.lake.lease import fence
from uninote.lake.rewriting import can_apply
from uninote.lake.row_changes import DELETED as DELETED
from uninote.lake.row_changes import MOST_BYTES, RowChanges
from uninote.lake.row_changes import MOST_ROWS as MOST_ROWS
from uninote.lake.schemas import TableSpec
from uninote.storage import lake_files

ABSENT = -1  # the version of a table that does not exist
_DEFAULTS = "spark.databricks.delta.properties.defaults."
_TRANSACTION = "spark.databricks.delta.write.txn"
MOST_FILES = 32  # read without their log: Spark lists more paths than these by a job


class MissingTableError(UninoteError):
    """A table that an earlier job makes is not there."""


def has_table(uri: str) -> bool:
    """Say whether `uri` holds a Delta table."""
    return has_log(uri)


def _require(uri: str) -> None:
    if not has_table(uri):
        raise MissingTableError(f"there is no Delta table at {uri}; run the job that makes it first, see README.md")


def _log(uri: str) -> deltalake.DeltaTable:
    """Return what the log of the table at `uri` says, without its files. Raises MissingTableError."""
    _require(uri)
    return deltalake.DeltaTable(uri, without_files=True)


def read_table(spark: SparkSession, uri: str, version: int | None = None) -> DataFrame:
    """Return the table at `uri`, pinned to `version` when given. Raises MissingTableError.

    Few files are read as the Parquet that they are: Delta first computes what is in its log by queries of its own, which
    took 1.3 s for each version that Spark had not seen, of a table of 2,000 rows; the files themselves 0.4 s.
    """
    _require(uri)
    files = plain_files(uri, version, most=MOST_FILES)
    if files is not None:
        return _read_files(spark, files, _schema(deltalake.DeltaTable(uri, version=version, without_files=True)))
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(uri)


def _read_files(spark: SparkSession, files: list[str], schema: StructType) -> DataFrame:
    if not files:
        return no_rows(spark, schema)
    # A lake's folder may have a name that is a pattern.
    return spark.read.schema(schema).option("__globPaths__", "false").parquet(*files)


def read_or_empty(spark: SparkSession, spec: TableSpec, uri: str) -> DataFrame:
    """Return the table at `uri`, or no rows of its shape where it has not been written yet."""
    return read_table(spark, uri) if has_table(uri) else no_rows(spark, spec.schema)


def no_rows(spark: SparkSession, schema: StructType) -> DataFrame:
    """Return a frame of these columns without rows, which the planner knows to be empty.

    Joins with it are planned away. `createDataFrame([])` would start a Python worker to learn that there is nothing.
    """
    return spark.range(0).select(*filled_columns(schema.fields, {})).where(F.lit(False))


def named(columns: Mapping[str, Column]) -> list[Column]:
    """Return columns under these names, for `select` and `agg`."""
    return [column.alias(name) for name, column in columns.items()]


def filled_columns(fields: Iterable[StructField], known: Mapping[str, Column]) -> list[Column]:
    """Return columns of these names and types: those that are `known`, and null in every row where one is not."""
    columns = []
    for field in fields:
        column = known.get(field.name, F.lit(None))
        columns.append(column.cast(field.dataType).alias(field.name))
    return columns


def read_changes(spark: SparkSession, uri: str, first: int, last: int) -> DataFrame:
    """Return the change feed of the versions `first` to `last`. Fails on reading where the feed is off or has expired."""
    reader = spark.read.format("delta").option("readChangeFeed", "true")
    return reader.option("startingVersion", first).option("endingVersion", last).load(uri)


def table_id(uri: str) -> str:
    """Return the identity of the table at `uri`, which a table made anew in the same place does not share."""
    return str(_log(uri).metadata().id)


def table_version(uri: str) -> int:
    """Return the newest version of the table at `uri`. Raises MissingTableError."""
    return int(_log(uri).version())


def version_or_absent(uri: str) -> int:
    """Return the newest version of the table at `uri`, ABSENT when there is none."""
    return table_version(uri) if has_table(uri) else ABSENT


def remove(uri: str) -> None:
    """Delete a folder of this run's own scratch files, if it is there."""
    lake_files.remove_folder(uri)


def schema_of(uri: str) -> StructType:
    """Return the columns of the table at `uri`. Raises MissingTableError."""
    return _schema(_log(uri))


def _schema(log: deltalake.DeltaTable) -> StructType:
    return StructType.fromJson(json.loads(log.schema().to_json()))


def note_id_type(schema: StructType) -> DataType:
    """Return the type of `note_id`, which every table of a lake shares."""
    return schema["note_id"].dataType


def conform(frame: DataFrame, spec: TableSpec) -> DataFrame:
    """Return `frame` with the columns of `spec`, in its order. Raises TableSchemaError when they are not those."""
    spec.check(frame.schema)
    return frame.select(*spec.columns)


def append(frame: DataFrame, spec: TableSpec, uri: str) -> None:
    """Add rows in one commit, creating the table when it is missing."""
    _write(frame, spec, uri, "append")


def overwrite(frame: DataFrame, spec: TableSpec, uri: str) -> None:
    """Replace all rows in one commit; readers of older versions are not disturbed."""
    _write(frame, spec, uri, "overwrite")


def create(spark: SparkSession, spec: TableSpec, uri: str) -> None:
    """Make an empty table, unless there is one, with the properties that Spark would give it."""
    if has_table(uri):
        return
    properties = {
        name.replace(_DEFAULTS, "delta."): value
        for name, value in spark.conf.getAll.items()
        if name.startswith(_DEFAULTS)
    }
    if spec.feed:
        properties["delta.enableChangeDataFeed"] = "true"
    create_table(uri, _as_spark_writes(spec.schema), properties)


def _as_spark_writes(schema: StructType) -> str:
    """Return a schema as JSON in which everything may be null, as Spark makes it of any frame that it writes.

    MERGE refuses to put elements that may be null among those that may not, whatever they are.
    """
    text = schema.json()
    for name in ("nullable", "containsNull", "valueContainsNull"):
        text = text.replace(f'"{name}":false', f'"{name}":true')
    return text


def _write(frame: DataFrame, spec: TableSpec, uri: str, mode: str) -> None:
    """Write rows in one commit, into a table that is made before it where it is missing, properties included."""
    create(frame.sparkSession, spec, uri)
    # Said here, since a session may have it otherwise: dynamically, rows of partitions without a new row would stay.
    writer = conform(frame, spec).write.format("delta").mode(mode).option("partitionOverwriteMode", "static")
    with _numbered(frame.sparkSession, uri):
        writer.save(uri)


@contextmanager
def _numbered(spark: SparkSession, uri: str) -> Iterator[None]:
    """Let Spark's one commit within carry the number of this run's lease, and look whether it was made.

    Spark passes over a commit whose number a table has seen, without a word: that of a run whose lease was taken.
    """
    number = fence.number_for(uri)
    if number is None:
        yield
        return
    spark.conf.set(f"{_TRANSACTION}AppId", fence.APP)
    spark.conf.set(f"{_TRANSACTION}Version", str(number))
    try:
        yield
    finally:
        spark.conf.unset(f"{_TRANSACTION}AppId")
        spark.conf.unset(f"{_TRANSACTION}Version")
    fence.check_made(_log(uri), number)


def add_columns(spec: TableSpec, uri: str) -> None:
    """Give the table at `uri` the columns of `spec` that it lacks, null in all its rows: a commit of its log alone."""
    lacking = [spec.schema[name] for name in spec.columns if name not in columns_of(uri)]
    if lacking:
        _add(lacking, uri)


def add_fields(spec: TableSpec, uri: str, column: str) -> None:
    """Give the structs of a column of arrays the fields of `spec` that they lack, as `add_columns` gives columns."""
    if schema_of(uri)[column].dataType != spec.schema[column].dataType:
        _add([spec.schema[column]], uri)


def _add(columns: Iterable[StructField], uri: str) -> None:
    # deltalake merges a column that is there with the one that is given: fields of structs that it lacks come behind.
    schema = deltalake.Schema.from_json(StructType(list(columns)).json())
    table = deltalake.DeltaTable(uri, without_files=True)
    with fence.committing(table, uri) as numbered:
        table.alter.add_columns(schema.fields, commit_properties=numbered)


def apply_changes(
    changes: DataFrame, spec: TableSpec, uri: str, where: str = "true", *, rows: int | None = None
) -> None:
    """Upsert the rows of `changes` by the key of `spec` in one commit; those with `_deleted` true are removed.

    `rows`: how many there are, null where the caller does not know; few are put into the table without MERGE. `where` is a
    condition on the old rows (as `old.column`) that all affected ones meet: it spares MERGE reading the others.
    Applying the same changes twice gives the same table. Without any, do not call: an empty commit looks like news.
    """
    spec.check(changes.drop(DELETED).schema)
    if rows is not None and rows <= MOST_ROWS and _apply_here(changes, spec, uri):
        return
    if has_table(uri) and has_files(uri):
        _merge(changes, spec, uri, where)
    else:
        # There is nothing to look for: MERGE would run six queries more.
        append(changes.where(~F.col(DELETED)).drop(DELETED), spec, uri)


def _apply_here(changes: DataFrame, spec: TableSpec, uri: str) -> bool:
    """Apply changes in the driver and return True, or return False where the files they touch are too large."""
    create(changes.sparkSession, spec, uri)
    if not can_apply(uri):
        return False
    here = RowChanges(uri, changes.toArrow(), spec.key)
    if here.touched_bytes > MOST_BYTES:
        return False
    here.apply()
    return True


def _merge(changes: DataFrame, spec: TableSpec, uri: str, where: str) -> None:
    values: dict[str, str | Column] = {column: f"new.{column}" for column in spec.columns}
    table = DeltaTable.forPath(changes.sparkSession, uri)
    merge = table.alias("old").merge(changes.alias("new"), f"{_same_key(spec)} AND {where}")
    merge = merge.whenMatchedDelete(f"new.{DELETED}").whenMatchedUpdate(set=values)
    merge = merge.whenNotMatchedInsert(f"NOT new.{DELETED}", values=values)
    with _numbered(changes.sparkSession, uri):
        merge.execute()


def delete_keys(keys: DataFrame, spec: TableSpec, uri: str) -> None:
    """Remove the rows whose key is in `keys`, in one commit."""
    table = DeltaTable.forPath(keys.sparkSession, uri)
    merge = table.alias("old").merge(keys.alias("new"), _same_key(spec)).whenMatchedDelete()
    with _numbered(keys.sparkSession, uri):
        merge.execute()


def forget_logs(spark: SparkSession) -> None:
    """Let Spark read the logs of all tables anew: files of them are gone that it has seen."""
    spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]


def _same_key(spec: TableSpec) -> str:
    """Return the condition of a MERGE on the key; `<=>`, since with `=` a null in a key would match nothing."""
    return " AND ".join(f"old.{column} <=> new.{column}" for column in spec.key)


def table_property(uri: str, name: str) -> str | None:
    """Return a property of the table at `uri`, null when it has none of that name. Raises MissingTableError."""
    return _log(uri).metadata().configuration.get(name)
