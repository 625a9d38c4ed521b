"""Writes a small training set from rows in memory, in the schemas that the reader expects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import FORMAT, MANIFEST, TABLES

Rows = Sequence[Mapping[str, Any]]


def write_training_set(folder: Path, tables: Mapping[str, Rows], manifest: Mapping[str, Any] | None = None) -> None:
    """Write `tables` (names of `schemas.TABLES` to rows) as one part each, the manifest last.

    Raises TrainingSetError when the folder is there, and for a row that does not fit its schema.
    """
    if folder.exists():
        raise TrainingSetError(f"{folder} exists; a training set is written once: remove it or give another folder")
    for name, schema in TABLES.items():
        (folder / name).mkdir(parents=True)
        try:
            table = pa.Table.from_pylist(list(map(dict, tables.get(name, ()))), schema=schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TrainingSetError(f"{name}: a row does not fit the schema: {error}") from error
        parquet.write_table(table, folder / name / "part-00000.parquet")
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, **(manifest or {})}, indent=2) + "\n")
