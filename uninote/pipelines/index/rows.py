"""The rows that go into an index: Spark's, or held by this process where they are few.

For a handful Spark plans, sorts and starts tasks for seconds at each width; here their codes take milliseconds.
"""

from __future__ import annotations

from typing import TypeAlias

import pyarrow as pa
from pyspark.sql import DataFrame

from uninote.index.note_keys import COLUMNS
from uninote.lake.delta_files import DeltaFilesError, files_of
from uninote.lake.rows_by_id import RowsById
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.index.target import ROW_COLUMNS, Target
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.file_rows import is_small
from uninote.pipelines.lake.run import Run

MOST_ROWS = 10_000  # that this process holds: 40 MiB of 1,024 numbers each
Rows: TypeAlias = DataFrame | pa.Table


def are_few(target: Target, count: int) -> bool:
    """Say whether this process reads `count` rows of an index, and what is known of their notes."""
    if count > MOST_ROWS:
        return False
    try:
        files_of(target.run.lake.uri("notes"))
    except DeltaFilesError:
        return False
    return True


def all_rows(target: Target) -> Rows:
    """Return all rows of an index, ROW_COLUMNS; vectors are bytes."""
    if is_small(target.vectors.files) and are_few(target, target.rows):
        return target.vectors.held(ROW_COLUMNS)
    return target.vectors.rows(ROW_COLUMNS)


def with_attributes(run: Run, rows: Rows) -> Rows:
    """Add what filters know of each row's note: note_keys.COLUMNS and vector."""
    columns = ["note_id", *NOTE_ATTRIBUTES]
    uri = run.lake.uri("notes")
    if isinstance(rows, pa.Table):
        notes = RowsById(uri, None, columns).find(rows["note_id"].unique().to_pylist())
        return rows.join(notes, "note_id", join_type="left outer").select([*COLUMNS, "vector"])
    return rows.join(tables.read_table(run.spark, uri).select(columns), "note_id", "left").select(*COLUMNS, "vector")
