"""The ledger of a lake, its table `runs`: what ran on what, in the order in which it was written.

Each entry has a `sequence`, one more than the last that its writer saw. The order of entries is that, and never the
clock's: clocks of two hosts differ, and a clock may be set back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import to_arrow_schema

from uninote.lake.delta_files import append_rows, columns_of, commits_of, has_log, largest, read_all, replace_rows
from uninote.lake.paths import Lake
from uninote.lake.schemas import RUNS

Entry = Mapping[str, Any]  # the columns of RUNS
SEQUENCE = "sequence"


def exists(lake: Lake) -> bool:
    """Say whether the lake has a ledger."""
    return has_log(lake.uri(RUNS.name))


def entries(lake: Lake) -> list[Entry]:
    """Return all entries, oldest first; none where there is no ledger."""
    return sorted(read_all(lake.uri(RUNS.name)), key=lambda entry: entry[SEQUENCE])


def append(lake: Lake, entry: Entry) -> None:
    """Add one entry, which gets the next sequence, in one commit."""
    uri = lake.uri(RUNS.name)
    last = largest(uri, SEQUENCE) if has_log(uri) else None
    append_rows(uri, _table([{**entry, SEQUENCE: 0 if last is None else last + 1}]))


def add_sequence(lake: Lake) -> None:
    """Give a ledger of format 1 its sequences, in one commit: in the order of its commits, then of `started_at`."""
    uri = lake.uri(RUNS.name)
    # Every run asks, so the table's log must do: entries are read once in the life of a lake.
    if not has_log(uri) or SEQUENCE in columns_of(uri):
        return
    rows = [
        (version, row["started_at"], row)
        for path, version in commits_of(uri).items()
        for row in pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    ]
    rows.sort(key=lambda row: row[:2])
    replace_rows(uri, _table([{**row, SEQUENCE: number} for number, (_, _, row) in enumerate(rows)]))


def _table(rows: list[Entry]) -> pa.Table:
    return pa.Table.from_pylist([*rows], to_arrow_schema(RUNS.schema, timezone="UTC"))
