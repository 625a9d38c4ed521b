"""A lake of given vectors, as ingest and embed would leave it, and a night that changes some of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from udfs.arrow import to_array
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, items_table, notes_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record


def write(run: Run, keys: np.ndarray, vectors: np.ndarray, mark: str) -> None:
    """Insert or replace these notes, as ingest and embed would."""
    texts = pa.array([str(key) for key in keys.tolist()])
    columns = {
        "item_key": pa.array(keys),
        "item_id": texts,
        "note_id": pa.array(keys),
        "kind": ["note"] * len(keys),
        "content_hash": [mark] * len(keys),
        "meta_hash": [""] * len(keys),
        "degraded": [False] * len(keys),
        "generation": [run.model.generation] * len(keys),
        "tokens_cut": pa.nulls(len(keys), pa.int32()),
        "tokens_cut_estimated": pa.nulls(len(keys), pa.bool_()),
        "images_left_out": pa.nulls(len(keys), pa.int32()),
        "vector": to_array(vectors),
    }
    frame = run.spark.createDataFrame(pa.table(columns))
    width = vectors.shape[1]
    note_id = frame.schema["note_id"].dataType
    for spec in (items_table(note_id), embeddings_table(note_id, embeddings_name(width))):
        rows = frame.select(*spec.columns).selectExpr("*", f"false AS {tables.DELETED}")
        tables.apply_changes(rows, spec, run.generation.uri(spec.name))
    outcome = Outcome("done", {}, {"notes": 0}, versions(run, (width,)), next_key=10**9)
    record(run, "embed", "all", outcome, time.time())


def make_lake(run: Run, vectors: np.ndarray, attributes: Mapping[str, str] | None = None) -> None:
    """Write the notes and their vectors; `attributes` are SQL by the name of the column of notes, null where there is none."""
    keys = np.arange(len(vectors))
    schema = notes_table(run.spark.range(1).schema["id"].dataType)
    empty = {field.name: f"CAST(NULL AS {field.dataType.simpleString()}) AS {field.name}" for field in schema.schema}
    empty |= {name: f"{value} AS {name}" for name, value in (attributes or {}).items()}
    notes = run.spark.range(len(keys)).selectExpr(
        "id AS note_id", *(value for name, value in empty.items() if name != "note_id")
    )
    tables.overwrite(notes, schema, run.lake.uri("notes"))
    write(run, keys, vectors, "first")


def edited(vectors: np.ndarray, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys, vectors) of one row in a hundred, each near to where some other one was."""
    generator = np.random.default_rng(seed)
    keys = np.sort(generator.choice(len(vectors), len(vectors) // 100, replace=False))
    noise = generator.standard_normal((len(keys), vectors.shape[1])) * (0.6 / vectors.shape[1] ** 0.5)
    moved = vectors[generator.choice(len(vectors), len(keys))] + noise
    return keys, (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
