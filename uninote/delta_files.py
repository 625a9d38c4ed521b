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
from deltalake import DeltaTable, Schema
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


def replace_files(uri: str, schema: str, files: Sequence[DataFile]) -> int:
    """Make the table at `uri` consist of `files`, in one commit; returns its version. `schema` is JSON, as Spark writes it.

    The files lie under `uri`. Readers of older versions are not disturbed; a table that is not there is created.
    """
    fields, actions = Schema.from_json(schema), [_action(uri, file) for file in files]
    if DeltaTable.is_deltatable(uri):
        DeltaTable(uri).create_write_transaction([*actions], "overwrite", fields, [])
    else:
        create_table_with_add_actions(uri, fields, actions, mode="overwrite", partition_by=[])
    return int(DeltaTable(uri).version())


def _data_file(uri: str, action: dict[str, Any]) -> DataFile:
    bounds = (action.get("min.note_id"), action.get("max.note_id"))
    path = str(Path(uri) / unquote(action["path"]))
    return DataFile(path, action["size_bytes"], action["num_records"] or 0, *bounds)


def _place(file: DataFile) -> tuple[bool, Any, str]:
    return file.low is not None, file.low if file.low is not None else "", file.path


def _action(uri: str, file: DataFile) -> AddAction:
    values = {"numRecords": file.rows, "minValues": {"note_id": file.low}, "maxValues": {"note_id": file.high}}
    place = Path(file.path).relative_to(uri).as_posix()
    return AddAction(place, file.size, {}, int(time.time() * 1000), True, json.dumps(values))
