"""The ledger of a lake, its table `runs`: what ran on what, in the order in which it was written.

Each entry has a `sequence`, one more than the last that its writer saw. The order of entries is that, and never the
clock's: clocks of two hosts differ, and a clock may be set back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake.exceptions import CommitFailedError
from pyspark.sql.pandas.types import to_arrow_schema

from uninote.lake.delta_files import append_rows, columns_of, commits_of, has_log, largest, replace_rows
from uninote.lake.parquet_files import open_parquet
from uninote.lake.paths import Lake
from uninote.lake.schemas import RUNS
from uninote.lake.small_tables import read_all

Entry = Mapping[str, Any]  # the columns of RUNS
SEQUENCE = "sequence"
_ATTEMPTS = 10
_LATER = {"cores"}  # columns that ledgers of this format may lack: they are null there


def exists(lake: Lake) -> bool:
    """Say whether the lake has a ledger."""
    return has_log(lake.uri(RUNS.name))


def entries(lake: Lake) -> list[Entry]:
    """Return all entries, oldest first; none where there is no ledger."""
    return sorted(read_all(lake.uri(RUNS.name)), key=lambda entry: entry[SEQUENCE])


def last_of(lake: Lake, stage: str, unit: str) -> Entry | None:
    """Return the newest entry of a unit of a stage, whatever its state and its model; null where there is none."""
    found = None
    for entry in entries(lake):
        if (entry["stage"], entry["unit"]) == (stage, unit):
            found = entry
    return found


def append(lake: Lake, entry: Entry) -> None:
    """Add one entry, which gets the next sequence, in one commit."""
    uri = lake.uri(RUNS.name)
    for attempt in range(_ATTEMPTS):
        last = largest(uri, SEQUENCE) if has_log(uri) else None
        try:
            return append_rows(uri, _fitting(uri, {**entry, SEQUENCE: 0 if last is None else last + 1}))
        except CommitFailedError:
            # Jobs that read a lake write here as well, at any time: the sequence is taken, and the next one is free.
            if attempt + 1 == _ATTEMPTS:
                raise


def _fitting(uri: str, entry: Entry) -> pa.Table:
    """Return an entry with the columns that its ledger has: a job that only reads a lake gives it none."""
    row = _table([entry])
    return row.select([name for name in RUNS.columns if name in columns_of(uri)]) if has_log(uri) else row


def is_present(lake: Lake) -> bool:
    """Say whether the ledger, if there is one, can be read and written as one of the present format."""
    uri = lake.uri(RUNS.name)
    return not has_log(uri) or set(RUNS.columns) - set(columns_of(uri)) <= _LATER


def upgrade(lake: Lake) -> None:
    """Give a ledger of an older format the columns of the present one, in one commit."""
    # Every run asks, so the table's log must do: entries are read once in the life of a lake.
    uri = lake.uri(RUNS.name)
    if has_log(uri) and columns_of(uri) != RUNS.columns:
        old = entries(lake) if SEQUENCE in columns_of(uri) else _in_order_of_commits(uri)
        replace_rows(uri, _table(list(map(_upgraded, old))))


def _in_order_of_commits(uri: str) -> list[Entry]:
    """Return the entries of format 1 with the sequences that they lack: in the order of commits, then of `started_at`."""
    found = []
    for path, version in commits_of(uri).items():
        with open_parquet(path) as file:
            for row in file.read().to_pylist(maps_as_pydicts="strict"):
                found.append((version, row))
    found.sort(key=lambda one: (one[0], one[1]["started_at"]))
    rows: list[Entry] = []
    for number, (_, row) in enumerate(found):
        rows.append({**row, SEQUENCE: number})
    return rows


def _upgraded(entry: Entry) -> Entry:
    """Move what formats 1 and 2 kept among the counts to columns of its own."""
    counts = dict(entry["counts"])
    next_key = counts.pop("next_key", None)
    # Seconds since the epoch, in formats 1 and 2.
    as_of = counts.pop("as_of", None)
    if as_of is not None:
        as_of = datetime.fromtimestamp(as_of, UTC)
    return {**entry, "counts": counts, "next_key": next_key, "as_of": as_of}


def _table(rows: list[Entry]) -> pa.Table:
    return pa.Table.from_pylist([*rows], to_arrow_schema(RUNS.schema, timezone="UTC"))
