"""The data files behind a Delta table: which ones a version has, and a version made of files that workers wrote.

Spark moves rows between its own memory and Python's one element at a time. Where a worker needs nothing of Spark's plans it
reads and writes Parquet itself, and Spark only says who does what; the table's log stays the one authority.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from uninote.errors import UninoteError
from uninote.parquet_files import DataFile

_VECTORS_OF_DELETES = "delta.enableDeletionVectors"


class DeltaFilesError(UninoteError):
    """The files of a table cannot be read as they are."""


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
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return sorted((_data_file(uri, action) for action in actions), key=_place)


def replace_files(uri: str, schema: str, files: Sequence[DataFile], partition_by: Sequence[str] = ()) -> int:
    """Make the table at `uri` consist of `files`, in one commit; returns its version. `schema` is JSON, as Spark writes it.

    The files lie under `uri`, those of a partition in folders `column=value`. Readers of older versions are not disturbed;
    a table that is not there is created.
    """
    fields, actions, columns = Schema.from_json(schema), [_action(uri, file) for file in files], [*partition_by]
    if has_log(uri):
        DeltaTable(uri).create_write_transaction([*actions], "overwrite", fields, columns)
    else:
        create_table_with_add_actions(uri, fields, actions, mode="overwrite", partition_by=columns)
    return int(DeltaTable(uri).version())


def add_files(uri: str, onto: int, files: Sequence[DataFile]) -> int:
    """Make the table at `uri` what it was in version `onto`, and `files`; returns its version.

    What a run that died has committed since goes: nobody knows of it.
    """
    table, actions = DeltaTable(uri), [_action(uri, file) for file in files]
    if table.version() != onto:
        table.restore(onto)
    if actions:
        table.create_write_transaction([*actions], "append", table.schema(), table.metadata().partition_columns)
    return int(DeltaTable(uri).version())


def folder_values(uri: str, path: str) -> dict[str, str]:
    """Return column -> value of the partition that a table's file lies in, as its folders `column=value` say."""
    folders = Path(path).relative_to(uri).parts[:-1]
    return dict(folder.split("=", 1) for folder in folders if "=" in folder)


def has_log(uri: str) -> bool:
    """Say whether a Delta table is at `uri`: its log has a first version."""
    return bool(DeltaTable.is_deltatable(uri))


def append_rows(uri: str, rows: pa.Table) -> None:
    """Add a few rows to the table at `uri` in one commit, creating it when it is missing."""
    write_deltalake(uri, rows, mode="append")


def replace_rows(uri: str, rows: pa.Table) -> None:
    """Make the table at `uri` consist of a few rows and their columns, in one commit."""
    write_deltalake(uri, rows, mode="overwrite", schema_mode="overwrite")


def largest(uri: str, column: str) -> Any:
    """Return the largest value of a column of the table at `uri`, null where it has no rows.

    The log's statistics tell it without a look into files, where every file has them.
    """
    table = DeltaTable(uri)
    actions = pa.table(table.get_add_actions(flatten=True))
    name = f"max.{column}"
    if name in actions.schema.names and not actions[name].null_count:
        return pc.max(actions[name]).as_py()
    return pc.max(table.to_pyarrow_dataset().to_table(columns=[column])[column]).as_py()


def operations_since(uri: str, version: int) -> set[str]:
    """Return the names of the operations that made the versions after `version`: those that its log still has, else ""."""
    made = {entry["version"]: entry.get("operation", "") for entry in DeltaTable(uri).history()}
    return {made.get(number, "") for number in range(version + 1, DeltaTable(uri).version() + 1)}


def commits_of(uri: str) -> dict[str, int]:
    """Return the path of each file of the table at `uri`, and the version that added it: -1 where the log has forgotten."""
    versions: dict[str, int] = {}
    for commit in sorted(Path(uri, "_delta_log").glob("*.json")):
        for line in commit.read_text(encoding="utf-8").splitlines():
            added = json.loads(line).get("add")
            if added is not None:
                versions[str(Path(uri) / unquote(added["path"]))] = int(commit.stem)
    return {file.path: versions.get(file.path, -1) for file in files_of(uri)}


def read_all(uri: str) -> list[dict[str, Any]]:
    """Return the rows of a small table; none where it has not been written yet."""
    if not has_log(uri):
        return []
    rows: list[dict[str, Any]] = DeltaTable(uri).to_pyarrow_table().to_pylist(maps_as_pydicts="strict")
    return rows


def read_feed(uri: str, since: int, version: int, columns: Sequence[str]) -> pa.Table | None:
    """Return what changed after version `since` of a table, up to `version`; None where its feed does not tell.

    The feed is read here, not by Spark: it holds what changed and nothing else, and planning would cost more than reading.
    Beside `columns` it has `_change_type` and `_commit_version`.
    """
    wanted = [*columns, "_change_type", "_commit_version"]
    try:
        return _without_views(pa.table(DeltaTable(uri).load_cdf(since + 1, version, columns=wanted)))
    except (DeltaError, pa.ArrowException, OSError):  # files of the feed may be gone although the log still names them
        return None


def _without_views(table: pa.Table) -> pa.Table:
    """Return the table with types that every other reader gives, and most functions take."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return table.cast(pa.schema([pa.field(field.name, plain.get(field.type, field.type)) for field in table.schema]))


def _data_file(uri: str, action: dict[str, Any]) -> DataFile:
    bounds = (action.get("min.note_id"), action.get("max.note_id"))
    path = str(Path(uri) / unquote(action["path"]))
    return DataFile(path, action["size_bytes"], action["num_records"] or 0, *bounds)


def _place(file: DataFile) -> tuple[bool, Any, str]:
    return file.low is not None, file.low if file.low is not None else "", file.path


def _action(uri: str, file: DataFile) -> AddAction:
    values = {"numRecords": file.rows, "minValues": {"note_id": file.low}, "maxValues": {"note_id": file.high}}
    place, partition = Path(file.path).relative_to(uri).as_posix(), dict[str, str | None](folder_values(uri, file.path))
    return AddAction(place, file.size, partition, int(time.time() * 1000), True, json.dumps(values))
