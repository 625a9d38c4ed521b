"""The data files behind a Delta table: which ones a version has, and a version made of files that workers wrote.

Spark moves rows between its own memory and Python's one element at a time. Where a worker needs nothing of Spark's plans it
reads and writes Parquet itself, and Spark only says who does what; the table's log stays the one authority.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from uninote.errors import UninoteError
from uninote.lake.file_bounds import stats_of
from uninote.lake.lease.fence import committing
from uninote.lake.parquet_files import DataFile, read_columns
from uninote.storage import lake_files

# What nothing needs is removed by whoever knows all releases: by itself Delta would forget versions after 30 days.
LOG_KEPT = "delta.logRetentionDuration"
FILES_KEPT = "delta.deletedFileRetentionDuration"
KEEPING = {LOG_KEPT: "interval 3650 days", FILES_KEPT: "interval 3650 days"}  # properties of every table
_OF_FILES = ("path", "size_bytes", "num_records", "min.note_id", "max.note_id")  # of what a log says of a file
_VECTORS_OF_DELETES = "delta.enableDeletionVectors"
_MADE_FROM = "uninote.made-from"


class DeltaFilesError(UninoteError):
    """The files of a table cannot be read as they are."""


class MissingFilesError(DeltaFilesError):
    """Files that a version of a table consists of are not there any more."""


def actions_of(table: DeltaTable) -> pa.Table:
    """Return what the log says of each file of a table, statistics as columns of their own."""
    # `pa.table` would import pandas to see whether it was given a frame, a third of what `uninote status` takes.
    return pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()


def files_of(uri: str, version: int | None = None) -> list[DataFile]:
    """Return the files of the table at `uri`, a folder, ordered by their lowest note_id and path.

    Raises DeltaFilesError where the table marks deleted rows beside its files: those would come back.
    """
    table = DeltaTable(uri, version=version)
    if table.metadata().configuration.get(_VECTORS_OF_DELETES) == "true":
        raise DeltaFilesError(
            f"{uri} has deletion vectors, which readers of its files would not see; set the table property "
            f"{_VECTORS_OF_DELETES} to false and run REORG TABLE … APPLY (PURGE)"
        )
    found = actions_of(table)
    actions = found.select([name for name in _OF_FILES if name in found.column_names]).to_pylist()
    return sorted((_data_file(uri, action) for action in actions), key=_place)


def present_files(uri: str, version: int | None = None) -> list[DataFile]:
    """Return what `files_of` does, after a look at each. Raises MissingFilesError where one is gone or of another size."""
    try:
        files = files_of(uri, version)
    except (DeltaError, OSError) as error:
        named = uri if version is None else f"version {version} of {uri}"
        raise MissingFilesError(f"{named} cannot be read any more ({str(error).splitlines()[0]})") from error
    for file in files:
        try:
            size = lake_files.size_of(file.path)
        except OSError as error:
            raise MissingFilesError(f"{file.path} is gone (deleted, or taken by a VACUUM)") from error
        if size != file.size:
            raise MissingFilesError(f"{file.path} has {size:,} bytes, its table's log says {file.size:,}")
    return files


def plain_files(uri: str, version: int | None = None, *, most: int) -> list[str] | None:
    """Return the paths of a table's files where these are all that the table is, and at most `most`; else None.

    By Delta's protocol a reader of version 1 need know nothing of a table without partitions but its files, and one of version
    2 how its columns are mapped. None as well where the version is not to be had or a file is not there: whoever reads by
    the log says so best.
    """
    try:
        table = DeltaTable(uri, version=version)
    except DeltaError:
        return None
    about = table.metadata()
    is_mapped = about.configuration.get("delta.columnMapping.mode", "none") != "none"
    if table.protocol().min_reader_version > 2 or is_mapped or about.partition_columns:
        return None
    names = actions_of(table)["path"].to_pylist()
    if len(names) > most:
        return None
    paths = [lake_files.join(uri, unquote(name)) for name in names]
    return paths if all(map(lake_files.is_file, paths)) else None


def replace_files(
    uri: str, schema: str, files: Sequence[DataFile], partition_by: Sequence[str] = (), *, made_from: str = ""
) -> int:
    """Make the table at `uri` consist of `files`, in one commit; returns its version. `schema` is JSON, as Spark writes it.

    The files lie under `uri`, those of a partition in folders `column=value`. Readers of older versions are not disturbed;
    a table that is not there is created. `made_from`, a fingerprint, is what `was_made_from` asks for.
    """
    fields = Schema.from_json(schema)
    actions = [_action(uri, file) for file in files]
    columns = [*partition_by]
    if not has_log(uri):
        # Empty first: a table that is there can refuse the commit of a run whose lease was taken (see `lease.fence`).
        _create(uri, fields, {}, columns)
    table = DeltaTable(uri)
    with committing(table, uri, [Transaction(_MADE_FROM, _number(made_from))]) as signed:
        table.create_write_transaction([*actions], "overwrite", fields, columns, commit_properties=signed)
    return int(DeltaTable(uri).version())


def add_files(uri: str, onto: int, files: Sequence[DataFile], *, made_from: str | None = None) -> int:
    """Make the table at `uri` what it was in version `onto`, and `files`; returns its version.

    What a run that died has committed since goes: nobody knows of it. Files of `onto` must be there: see `present_files`.
    """
    table = DeltaTable(uri)
    actions = [_action(uri, file) for file in files]
    if table.version() != onto:
        with committing(table, uri) as numbered:
            table.restore(onto, commit_properties=numbered)
    if actions or made_from is not None:
        columns = table.metadata().partition_columns
        with committing(table, uri, [Transaction(_MADE_FROM, _number(made_from or ""))]) as signed:
            table.create_write_transaction([*actions], "append", table.schema(), columns, commit_properties=signed)
    return int(DeltaTable(uri).version())


def drop_files(uri: str, paths: Sequence[str]) -> None:
    """Take files out of the table at `uri`, rows and all, in one commit; they stay where they are."""
    table = DeltaTable(uri)
    now = int(time.time() * 1000)
    sizes = {file.path: file.size for file in files_of(uri)}
    actions = [RemoveAction(lake_files.relative(uri, path), True, now, sizes[path], {}) for path in paths]
    columns = table.metadata().partition_columns
    with committing(table, uri) as numbered:
        table.create_write_transaction([*actions], "append", table.schema(), columns, commit_properties=numbered)


def was_made_from(uri: str, made_from: str) -> bool:
    """Say whether the newest content of a table was committed as made from this; a table that does not tell passes.

    It is known by a transaction's number, which OPTIMIZE, VACUUM and changes of properties leave as it is.
    """
    number = DeltaTable(uri, without_files=True).transaction_version(_MADE_FROM)
    return number is None or number == _number(made_from)


def _number(made_from: str) -> int:
    return int(hashlib.sha256(made_from.encode()).hexdigest()[:15], 16)


def set_property(uri: str, name: str, value: str) -> None:
    """Store a property of our own with the table at `uri`, unless it has that value; "" stands for none."""
    if property_of(uri, name) != value:
        # Not by SQL, in which a path or a value with a quote or a backtick would be something else.
        table = DeltaTable(uri)
        with committing(table, uri) as numbered:
            table.alter.set_table_properties({name: value}, raise_if_not_exists=False, commit_properties=numbered)


def property_of(uri: str, name: str) -> str:
    """Return a property of the table at `uri`, "" where it has none of that name."""
    return DeltaTable(uri, without_files=True).metadata().configuration.get(name) or ""


def folder_values(uri: str, path: str) -> dict[str, str]:
    """Return column -> value of the partition that a table's file lies in, as its folders `column=value` say."""
    folders = lake_files.relative(uri, path).split("/")[:-1]
    return dict(folder.split("=", 1) for folder in folders if "=" in folder)


def has_log(uri: str) -> bool:
    """Say whether a Delta table is at `uri`: its log has a first version."""
    return bool(DeltaTable.is_deltatable(uri))


def create_table(uri: str, schema: str, properties: Mapping[str, str]) -> None:
    """Make an empty table at `uri` in one commit. `schema` is JSON, as Spark writes it."""
    _create(uri, Schema.from_json(schema), properties)


def _create(uri: str, schema: Schema, settings: Mapping[str, str], partition_by: Sequence[str] = ()) -> None:
    with committing(None, uri) as numbered:
        DeltaTable.create(
            uri,
            schema,
            partition_by=list(partition_by),
            configuration={**KEEPING, **settings},
            commit_properties=numbered,
        )


def rows_in_log(uri: str, version: int | None = None) -> int | None:
    """Return the rows that a table's log names; None where it does not say, or may say which are deleted elsewhere."""
    table = DeltaTable(uri, version=version)
    # The feature stays in the protocol, and vectors beside files, where the property is taken back.
    if "deletionVectors" in (table.protocol().reader_features or ()):
        return None
    rows = actions_of(table)
    if "num_records" not in rows.column_names or rows["num_records"].null_count:
        return None
    return int(sum(rows["num_records"].to_pylist()))


def rows_with(uri: str, column: str, value: str) -> int:
    """Return how many rows of a table have `value`; 0 where there is no table. One pass, a batch in memory at a time."""
    if not has_log(uri):
        return 0
    return int(DeltaTable(uri).to_pyarrow_dataset().count_rows(filter=pc.field(column) == value))


def restore(uri: str, version: int) -> None:
    """Make the table at `uri` what it was in `version`, in a new commit; before its first version it had no rows.

    Raises DeltaError where files of that version are not there any more.
    """
    table = DeltaTable(uri)
    if version < 0:
        with committing(table, uri) as numbered:
            table.delete(commit_properties=numbered)
    elif version != table.version():
        with committing(table, uri) as numbered:
            table.restore(version, commit_properties=numbered)


def has_files(uri: str) -> bool:
    """Say whether the newest version of the table at `uri` has a data file; without one it has no rows."""
    return bool(DeltaTable(uri).get_add_actions().num_rows)


def columns_of(uri: str) -> list[str]:
    """Return the names of the columns of the table at `uri`, as its log has them."""
    return [field.name for field in DeltaTable(uri, without_files=True).schema().fields]


def append_rows(uri: str, rows: pa.Table) -> None:
    """Add a few rows to the table at `uri` in one commit, creating it when it is missing."""
    if not has_log(uri):
        _create(uri, Schema.from_arrow(rows.schema), {})
    table = DeltaTable(uri)
    with committing(table, uri) as numbered:
        write_deltalake(table, rows, mode="append", commit_properties=numbered)


def replace_rows(uri: str, rows: pa.Table) -> None:
    """Make the table at `uri` consist of a few rows and their columns, in one commit."""
    table = DeltaTable(uri)
    with committing(table, uri) as numbered:
        write_deltalake(table, rows, mode="overwrite", schema_mode="overwrite", commit_properties=numbered)


def largest(uri: str, column: str) -> Any:
    """Return the largest value of a column of the table at `uri`, null where it has no rows.

    The log's statistics tell it without a look into files, where every file has them.
    """
    table = DeltaTable(uri)
    actions = actions_of(table)
    name = f"max.{column}"
    if name in actions.schema.names and not actions[name].null_count:
        return pc.max(actions[name]).as_py()
    found = []
    for file in files_of(uri):
        found.append(pc.max(read_columns(file.path, [column])[column]))
    return max((value.as_py() for value in found if value.is_valid), default=None)


def rows_of(uri: str) -> int:
    """Return how many rows the table at `uri` has, as its log names them; 0 where there is none, or where it does not say."""
    return (rows_in_log(uri) or 0) if has_log(uri) else 0


def operations_since(uri: str, version: int) -> set[str]:
    """Return the names of the operations that made the versions after `version`: those that its log still has, else ""."""
    operations = set()
    wanted = set(range(version + 1, DeltaTable(uri).version() + 1))
    for entry in DeltaTable(uri).history():
        if entry["version"] in wanted:
            wanted.remove(entry["version"])
            operations.add(entry.get("operation", ""))
    if wanted:
        operations.add("")
    return operations


def commits_of(uri: str) -> dict[str, int]:
    """Return the path of each file of the table at `uri`, and the version that added it: -1 where the log has forgotten."""
    versions: dict[str, int] = {}
    log = lake_files.join(uri, "_delta_log")
    for name in lake_files.names_in(log):
        number, _, kind = name.partition(".")
        if kind != "json" or not number.isdecimal():
            continue
        for line in lake_files.read(lake_files.join(log, name)).splitlines():
            added = json.loads(line).get("add")
            if added is not None:
                versions[lake_files.join(uri, unquote(added["path"]))] = int(number)
    return {file.path: versions.get(file.path, -1) for file in files_of(uri)}


def _data_file(uri: str, action: dict[str, Any]) -> DataFile:
    bounds = (action.get("min.note_id"), action.get("max.note_id"))
    path = lake_files.join(uri, unquote(action["path"]))
    return DataFile(path, action["size_bytes"], action.get("num_records") or 0, *bounds)


def _place(file: DataFile) -> tuple[bool, Any, str]:
    return file.low is not None, file.low if file.low is not None else "", file.path


def _action(uri: str, file: DataFile) -> AddAction:
    place = lake_files.relative(uri, file.path)
    partition = dict[str, str | None](folder_values(uri, file.path))
    stats = json.dumps(stats_of(file))
    return AddAction(place, file.size, partition, int(time.time() * 1000), True, stats)
