"""One version of a Delta table, committed to its log as the Delta protocol has it, change files included.

deltalake commits added and removed files, but no change files: with it, each row of a file that is written again would look
changed to whoever follows the table.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from deltalake import DeltaTable

from uninote.errors import UninoteError
from uninote.lake.lease import fence
from uninote.storage.lake_files import create, join

# What a table may ask of its writers; all that these need is done in `row_changes`, or not asked for by any of its settings.
_WRITER_FEATURES = {"appendOnly", "invariants", "changeDataFeed"}
_UP_TO_CHANGE_FEED = 4  # the writer version that brought the feed, in tables that do not name features
_REFUSED_SETTINGS = ("delta.enableDeletionVectors", "delta.appendOnly", "delta.columnMapping.mode")
_CHECKPOINT_EVERY = 10  # versions, as Spark's Delta does by default


class CommitConflictError(UninoteError):
    """Somebody else committed the version that was to be written."""


def can_commit(table: DeltaTable) -> bool:
    """Say whether `commit` may write this table: it has no partitions, and asks nothing that only Spark's Delta does."""
    protocol, metadata = table.protocol(), table.metadata()
    if not set(protocol.writer_features or ()) <= _WRITER_FEATURES:
        return False
    if protocol.writer_features is None and protocol.min_writer_version > _UP_TO_CHANGE_FEED:
        return False
    # deltalake asks readers for version 2, which has column mapping, when it sets any property; `_is_plain` sees if it is used.
    return protocol.min_reader_version <= 2 and not metadata.partition_columns and _is_plain(metadata)


def _is_plain(metadata: Any) -> bool:
    settings = metadata.configuration
    for name, value in settings.items():
        if name.startswith("delta.constraints.") or (name in _REFUSED_SETTINGS and value not in ("false", "none")):
            return False
    return True


def has_feed(table: DeltaTable) -> bool:
    """Say whether the table has a change feed."""
    return table.metadata().configuration.get("delta.enableChangeDataFeed") == "true"


def commit(uri: str, onto: int, actions: Sequence[dict[str, Any]], operation: str) -> int:
    """Make `actions` the version after `onto` of the table at `uri`, and return its number.

    Raises CommitConflictError, and changes nothing, where that version exists already; LeaseLostError where this run may not
    commit any more.
    """
    version = onto + 1
    info = {
        "timestamp": _now(),
        "operation": operation,
        "operationParameters": {},
        "readVersion": onto,
        "isolationLevel": "Serializable",
        "isBlindAppend": False,
        "engineInfo": "UniNote",
        "txnId": str(uuid.uuid4()),
    }
    # A commit is one file with an action a line; that it appears under its number makes it the version.
    number = fence.number_for(uri, onto)
    numbered = [] if number is None else [fence.action(number)]
    lines = map(json.dumps, [{"commitInfo": info}, *numbered, *actions])
    _create(join(uri, "_delta_log", f"{version:020d}.json"), "\n".join(lines) + "\n")
    if version % _CHECKPOINT_EVERY == 0:
        _sum_up(uri)
    return version


def _create(path: str, text: str) -> None:
    try:
        create(path, text.encode())
    except FileExistsError as error:
        raise CommitConflictError(
            f"{path} exists already: another run writes to this lake; let it end, and run again"
        ) from error


def _sum_up(uri: str) -> None:
    """Write a checkpoint, and remove the part of the log that is older than the table keeps: readers open fewer files."""
    table = DeltaTable(uri)
    table.create_checkpoint()
    table.cleanup_metadata()


def add_action(path: str, size: int, stats: dict[str, Any], *, changes_data: bool = True) -> dict[str, Any]:
    """Return the action that adds a data file, `path` relative to the table.

    One whose rows were there in other files before does not change data: readers of the change feed see none of them.
    """
    known = {"path": path, "partitionValues": {}, "size": size, "modificationTime": _now(), "dataChange": changes_data}
    return {"add": known | {"stats": json.dumps(stats)}}


def remove_action(path: str, size: int, *, changes_data: bool = True) -> dict[str, Any]:
    """Return the action that takes a data file out of the table; see `add_action`."""
    known = {"path": path, "deletionTimestamp": _now(), "dataChange": changes_data, "extendedFileMetadata": True}
    return {"remove": known | {"partitionValues": {}, "size": size}}


def change_action(path: str, size: int) -> dict[str, Any]:
    """Return the action that names a file of the change feed."""
    return {"cdc": {"path": path, "partitionValues": {}, "size": size, "dataChange": False}}


def _now() -> int:
    return int(time.time() * 1000)
