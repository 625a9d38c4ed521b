"""Data files of a table that are read whole and written again: which there are, their rows, and what the log says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from uninote.lake.commits import can_commit
from uninote.lake.delta_files import actions_of
from uninote.lake.parquet_files import filled, open_parquet
from uninote.storage.lake_files import join

_BOUND = 32  # characters of a text that bounds a file, as Spark's Delta has it
_LAST = "\U0010ffff"  # sorts behind every other character
_LAST_TIME = datetime.max.replace(tzinfo=UTC) - timedelta(milliseconds=1)


@dataclass(frozen=True)
class StoredFile:
    """A data file: its path relative to the table, its bytes, and the bounds of one column, null if unknown."""

    path: str
    size: int
    low: Any
    high: Any


def stored_files(table: DeltaTable, column: str) -> list[StoredFile]:
    """Return the files of a version of a table, with the bounds of a column."""
    actions = actions_of(table)
    found = []
    for action in actions.to_pylist():
        low, high = action.get(f"min.{column}"), action.get(f"max.{column}")
        is_bounded = low is not None and high is not None
        place = unquote(action["path"])
        found.append(StoredFile(place, action["size_bytes"], low if is_bounded else None, high if is_bounded else None))
    return found


def read_rows(uri: str, path: str, schema: pa.Schema) -> pa.Table:
    """Return the rows of a file, its `path` relative to the table at `uri`, in the columns of `schema`.

    One from before a column was added has null there; one that deltalake wrote says that it has views of strings, which
    few of Arrow's functions take.
    """
    with open_parquet(join(uri, path)) as stored:
        names = stored.schema_arrow.names
        return filled(stored.read([name for name in schema.names if name in names]), schema)


def can_apply(uri: str) -> bool:
    """Say whether the table at `uri` asks nothing of its writers that these functions and `commit` do not do."""
    table = DeltaTable(uri)
    schema = pa.schema(table.schema().to_arrow())
    return can_commit(table) and all(_has_plain_bounds(schema, name) for name in bounded_columns(table))


def _has_plain_bounds(schema: pa.Schema, name: str) -> bool:
    """Say whether `_bound` writes a column's bounds as the log has them."""
    if name not in schema.names:
        # The log names a field of a struct by its path, which is no column here.
        return False
    kind = schema.field(name).type
    is_time = pa.types.is_timestamp(kind) and kind.tz is not None
    return bool(is_time or pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind))


def bounded_columns(table: DeltaTable) -> Sequence[str]:
    """Return the columns whose bounds the log has of any file: it must have them of all.

    Readers by deltalake take the bounds that one file lacks for null, and find none of its rows.
    """
    found = []
    for name in pa.schema(table.get_add_actions(flatten=True).schema).names:
        if name.startswith("min."):
            found.append(name.removeprefix("min."))
    return found


def statistics(rows: pa.Table) -> dict[str, Any]:
    """Return what the log says of a file: its rows, and the bounds by which readers skip it."""
    least, most, nulls = {}, {}, {}
    for name in rows.column_names:
        bounds = pc.min_max(rows[name]).as_py()
        nulls[name] = rows[name].null_count
        if bounds["min"] is not None:
            least[name] = _bound(bounds["min"])
            most[name] = _bound(bounds["max"], _LAST)
    return {"numRecords": len(rows), "minValues": least, "maxValues": most, "nullCount": nulls}


def _bound(bound: Any, end: str = "") -> Any:
    """Return a bound as the log has it, an upper one where there is an `end`.

    Of a long text it is the first characters, with `end` behind: titles and bodies would fill the log. Times are in
    milliseconds, and no value lies beyond.
    """
    if isinstance(bound, datetime):
        return _bound_of_time(bound, is_upper=bool(end))
    if not isinstance(bound, str) or len(bound) <= _BOUND or bound[_BOUND] == end:
        return bound
    return bound[:_BOUND] + end


def _bound_of_time(bound: datetime, is_upper: bool) -> str:
    rest = timedelta(microseconds=bound.microsecond % 1000)
    bound -= rest
    # The last millisecond that Python has is no bound of what comes within it, as in a log that Spark wrote.
    if is_upper and rest and bound < _LAST_TIME:
        bound += timedelta(milliseconds=1)
    return f"{bound.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
