"""Parquet files that are written once, under names of their own, and told of: what tables are made of."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


@dataclass(frozen=True)
class DataFile:
    """A Parquet file: where it lies, its bytes and rows, and the bounds of its `note_id`, None where unknown."""

    path: str
    size: int
    rows: int
    low: str | int | None
    high: str | int | None


def write_file(table: pa.Table, folder: str, group_rows: int = 1 << 20) -> DataFile:
    """Write `table`, which has a `note_id` and at least one row, into `folder`, in row groups of `group_rows`.

    No name is used twice: what a failed task left is in nobody's log, and in nobody's way.
    """
    path = Path(folder) / f"part-{uuid.uuid4().hex}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Integers and scores hardly repeat: a dictionary of them costs time and saves no space.
    texts = [name for name in _leaves(table.schema) if name.endswith(("note_id", "neighbour_ids.list.element"))]
    texts = texts if pa.types.is_string(table.schema.field("note_id").type) else []
    pq.write_table(table, path, row_group_size=group_rows, use_dictionary=texts, compression="snappy")
    bounds = pc.min_max(table["note_id"]).as_py()
    return DataFile(str(path), path.stat().st_size, len(table), bounds["min"], bounds["max"])


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the paths of the columns, as Parquet names them."""
    found = []
    for field in schema:
        kind = field.type
        if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
            found += [f"{field.name}.list.element.{part.name}" for part in kind.value_type]
        else:
            found.append(f"{field.name}.list.element" if pa.types.is_list(kind) else field.name)
    return found
