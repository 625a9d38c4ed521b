"""Small sources of notes, and lakes in a given state, for tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from PIL import Image
from pyspark.sql.types import LongType, StringType

from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, items_table, notes_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.notes.media_roots import remember_media_root

DEMO_NOTES = 240
CUTS = "tokens_cut int, tokens_cut_estimated boolean, images_left_out int"  # columns of items
NOT_CUT = (0, False, 0)
CONFIG = """\
lake: {folder}/lake
demo: {{folder: {demo}, notes: {notes}}}
ingest: {{source: demo}}
model: {{checkpoint: demo, allow_demo: true}}
neighbours: {{k: 10, recall_sample: 100, full_share: 0.2}}
embed: {{items_per_task: 60, widths: [256, 64], canaries: 0}}
spark: {{spark.sql.shuffle.partitions: "2", spark.databricks.delta.snapshotPartitions: "1"}}
"""


def write_config(folder: Path, demo: Path) -> Path:
    """Write a configuration whose lake is in `folder`, with the demo corpus and checkpoint in `demo`."""
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(folder=folder, demo=demo, notes=DEMO_NOTES))
    return path


def make_image(path: Path, colour: str = "red", size: tuple[int, int] = (48, 32)) -> Path:
    """Write a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def make_note(note_id: object, **fields: object) -> dict[str, object]:
    """Return a note as a line of items.jsonl, with a text of its own unless fields say otherwise."""
    return {"note_id": note_id, "title": f"note {note_id}", "body": f"about {note_id}", **fields}


def write_source(folder: Path, notes: Iterable[dict[str, object]]) -> Path:
    """Write items.jsonl into `folder` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(note, ensure_ascii=False) for note in notes)
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def table_at(uri: str) -> pa.Table:
    """Return the newest version of a table of a lake, read without Spark: a query takes it most of a second."""
    return DeltaTable(uri).to_pyarrow_table()


def rows_at(uri: str) -> list[dict[str, Any]]:
    """Return the rows of that table."""
    return table_at(uri).to_pylist()


def write_notes(run: Run, notes: Iterable[dict[str, object]], media_root: Path | None = None) -> None:
    """Make the notes table hold exactly `notes`, without an ingest."""
    rows = list(notes)
    spec = notes_table(LongType() if isinstance(rows[0]["note_id"], int) else StringType())
    values = [tuple(_value(name, row.get(name)) for name in spec.columns) for row in rows]
    uri = run.lake.uri(spec.name)
    tables.overwrite(run.spark.createDataFrame(values, spec.schema), spec, uri)
    if media_root is not None:
        remember_media_root(run, str(media_root))


def _value(name: str, value: object) -> object:
    if name != "images":
        return value
    return [(image, None) if isinstance(image, str) else image for image in value or ()]


def write_vectors(run: Run, vectors: np.ndarray) -> None:
    """Make a lake in which the notes 0, 1, … have these vectors, float32 (n, width), as embed would leave it."""
    width = vectors.shape[1]
    write_notes(run, [make_note(number) for number in range(len(vectors))])
    made_by = run.model.generation
    rows = [
        (n, str(n), n, "note", str(n), "", False, made_by, *NOT_CUT, vector.tolist())
        for n, vector in enumerate(vectors)
    ]
    columns = "item_key bigint, item_id string, note_id bigint, kind string, content_hash string, meta_hash string"
    columns += f", degraded boolean, generation string, {CUTS}, vector array<float>"
    frame = run.spark.createDataFrame(rows, columns)
    for spec in (items_table(LongType()), embeddings_table(LongType(), embeddings_name(width))):
        tables.overwrite(frame.select(*spec.columns), spec, run.generation.uri(spec.name))
    outcome = Outcome("done", {"notes_in": len(rows)}, {"notes": 0}, versions(run, (width,)), next_key=len(rows))
    record(run, "embed", "all", outcome, time.time())
