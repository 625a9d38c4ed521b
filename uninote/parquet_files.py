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
    """Write `table`, of at least one row, into `folder`, in row groups of `group_rows`; bounds are those of a `note_id`.

    No name is used twice: what a failed task left is in nobody's log, and in nobody's way.
    """
    path = Path(folder) / f"part-{uuid.uuid4().hex}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Integers and scores hardly repeat: a dictionary of them costs time and saves no space.
    pq.write_table(table, path, row_group_size=group_rows, use_dictionary=_texts(table.schema), compression="snappy")
    bounds = pc.min_max(table["note_id"]).as_py() if "note_id" in table.schema.names else {"min": None, "max": None}
    return DataFile(str(path), path.stat().st_size, len(table), bounds["min"], bounds["max"])


def _texts(schema: pa.Schema) -> list[str]:
    """Return the paths of the columns of strings, as Parquet names them."""
    found = []
    for field in schema:
        kind, path = field.type, field.name
        if pa.types.is_list(kind):
            kind, path = kind.value_type, f"{path}.list.element"
        parts = [(f"{path}.{part.name}", part.type) for part in kind] if pa.types.is_struct(kind) else [(path, kind)]
        found += [name for name, part in parts if pa.types.is_string(part)]
    return found
