"""What a table's log and its change feed say happened between two versions, read without Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from uninote.lake.parquet_files import DataFile, footer_of
from uninote.storage import lake_files

MOST_CHANGED = 20_000_000  # rows of a feed: the driver holds their keys, 340 MB
_CHANGE = "_change_type"
_COMMIT = "_commit_version"
MOST_BYTES = 64 << 20  # of changed rows, contents included, that the driver reads keys out of
THERE = ("insert", "update_postimage")  # what a feed calls the rows that are there now


@dataclass(frozen=True)
class Changes:
    """Keys that a feed names, with the version that changed each, int64, and whether that put it `there`, bool; in no order."""

    keys: np.ndarray
    versions: np.ndarray
    there: np.ndarray


def read_feed(uri: str, since: int, version: int, kinds: Sequence[str]) -> Changes | None:
    """Return what happened to items of some kinds after version `since` of a table, up to `version`.

    None if it is unknown, or if these are more than MOST_CHANGED rows: whoever asks then starts from all rows.
    The feed is read here, not by Spark: it holds what changed and nothing else, and planning would cost more than reading.
    Of each row 17 bytes are kept, beside what the reader itself holds for a moment.
    """
    if _rows_since(uri, since, version) > MOST_CHANGED:
        return None
    columns = ["item_key", "kind", _CHANGE, _COMMIT]
    keys = [np.empty(0, np.int64)]
    versions = [np.empty(0, np.int64)]
    there = [np.empty(0, bool)]
    try:
        feed = pa.RecordBatchReader.from_stream(DeltaTable(uri).load_cdf(since + 1, version, columns=columns))
        for batch in feed:
            # Copies, since a view would keep its batch in memory until the last one is read.
            mine = np.asarray(_among(batch.column("kind"), kinds))
            keys.append(batch.column("item_key").to_numpy()[mine])
            versions.append(batch.column(_COMMIT).to_numpy().astype(np.int64)[mine])
            there.append(np.asarray(_among(batch.column(_CHANGE), THERE))[mine])
    except (DeltaError, pa.ArrowInvalid, OSError):
        # VACUUM deletes files of the feed although the log still names them.
        return None
    return Changes(np.concatenate(keys), np.concatenate(versions), np.concatenate(there))


def changed_values(uri: str, since: int, version: int, column: str) -> pa.Array | None:
    """Return the distinct values of `column` in rows that changed after version `since` of a table, up to `version`.

    None where the feed does not say, or where its files have more than MOST_BYTES: those are not for one process to read.
    """
    commits = _commits(uri, since, version)
    if commits is None or sum(map(_changed_bytes, commits)) > MOST_BYTES:
        return None
    try:
        feed = pa.RecordBatchReader.from_stream(DeltaTable(uri).load_cdf(since + 1, version, columns=[column]))
        values = feed.read_all()[column]
    except (DeltaError, pa.ArrowInvalid, OSError):
        return None
    is_view = pa.types.is_string_view(values.type)
    return pc.unique(values.cast(pa.string()) if is_view else values)


def _changed_bytes(actions: Sequence[dict[str, Any]]) -> int:
    """Return the size of the files that a commit's changes are read from: of its change files, else of what came and went."""
    size = {"cdc": 0, "add": 0, "remove": 0}
    for action in actions:
        for name in size:
            found = action.get(name, {})
            # Of a compaction nothing is read: its rows were there before.
            if name == "cdc" or found.get("dataChange"):
                size[name] += found.get("size") or 0
    return size["cdc"] or size["add"] + size["remove"]


def _commits(uri: str, since: int, version: int) -> list[list[dict[str, Any]]] | None:
    """Return the actions of each commit after version `since`, up to `version`; None where the log lacks one by now."""
    commits: list[list[dict[str, Any]]] = []
    for number in range(since + 1, version + 1):
        try:
            lines = lake_files.read(lake_files.join(uri, "_delta_log", f"{number:020d}.json")).splitlines()
            commits.append([json.loads(line) for line in lines if line.strip()])
        except (OSError, ValueError):
            # Commits of the log are deleted after some weeks.
            return None
    return commits


def _rows_since(uri: str, since: int, version: int) -> int:
    """Return how many rows the files of a feed have, by their footers."""
    total = 0
    for _, file in files_since(uri, since, version) or ():
        try:
            total += footer_of(file.path).num_rows
        except (OSError, pa.ArrowException):
            continue  # a damaged file: reading it says so
    return total


def _among(column: pa.Array, values: Sequence[str]) -> pa.BooleanArray:
    # deltalake returns views of strings, which few of Arrow's functions take.
    return pc.is_in(column.cast(pa.string()), pa.array(list(values)))


def files_since(uri: str, since: int, version: int) -> list[tuple[int, DataFile]] | None:
    """Return (version, file) of all that hold rows put there after version `since`, up to `version`; None if unknown.

    What a commit says changed is in its change files, where it has any, else in the files that it added.
    """
    commits = _commits(uri, since, version)
    if commits is None:
        return None
    found: list[tuple[int, DataFile]] = []
    for number, actions in enumerate(commits, since + 1):
        changes = []
        added = []
        for action in actions:
            if "cdc" in action:
                changes.append(action["cdc"])
            elif action.get("add", {}).get("dataChange"):
                added.append(action["add"])
        for one in changes or added:
            path = lake_files.join(uri, unquote(one["path"]))
            if not lake_files.is_file(path):
                return None
            found.append((number, DataFile(path, one["size"], 0, None, None)))
    return found
