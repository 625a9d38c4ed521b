"""Small sources of notes, and lakes in a given state, for tests."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from PIL import Image
from pyspark.sql.types import LongType, StringType

from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import TableSpec, embeddings_table, items_table, notes_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.notes.images.media_roots import remember_media_root

DEMO_NOTES = 240
NOT_CUT = {"tokens_cut": 0, "tokens_cut_estimated": False, "images_left_out": 0}  # columns of items
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


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a lake that an earlier release wrote."""
    with tarfile.open(archive) as packed:
        # Python before 3.11.4 has no filters.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # type: ignore[assignment]
        packed.extractall(folder)


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
    values = [{name: _value(name, row.get(name)) for name in spec.columns} for row in rows]
    replace_rows(run, run.lake.uri(spec.name), spec, values)
    if media_root is not None:
        remember_media_root(run, str(media_root))


def _value(name: str, value: object) -> object:
    if name != "images":
        return value
    images = [(image, None) if isinstance(image, str) else image for image in value or ()]
    return [image if isinstance(image, dict) else dict(zip(("uri", "ocr"), image, strict=True)) for image in images]


def replace_rows(run: Run, uri: str, spec: TableSpec, rows: list[dict[str, Any]]) -> None:
    """Make the table hold exactly `rows`, in one commit; without Spark, which takes seconds to write a handful."""
    tables.create(run.spark, spec, uri)
    write_deltalake(uri, arrow_rows(uri, rows), mode="overwrite")


def arrow_rows(uri: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows with the columns of the table at `uri`."""
    return pa.Table.from_pylist(rows, pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow()))


def item_row(run: Run, key: int, vector: np.ndarray, content: str, meta: str = "") -> dict[str, Any]:
    """Return the item of note `key` and its vector, the columns of both tables, as embed would leave it."""
    ids = {"item_key": key, "item_id": str(key), "note_id": key, "kind": "note"}
    made = {"content_hash": content, "meta_hash": meta, "degraded": False, "generation": run.model.generation}
    return ids | made | NOT_CUT | {"vector": vector.tolist()}


def write_vectors(run: Run, vectors: np.ndarray) -> None:
    """Make a lake in which the notes 0, 1, … have these vectors, float32 (n, width), as embed would leave it."""
    width = vectors.shape[1]
    write_notes(run, [make_note(number) for number in range(len(vectors))])
    rows = [item_row(run, number, vector, str(number)) for number, vector in enumerate(vectors)]
    for spec in (items_table(LongType()), embeddings_table(LongType(), embeddings_name(width))):
        replace_rows(run, run.generation.uri(spec.name), spec, rows)
    outcome = Outcome("done", {"notes_in": len(rows)}, {"notes": 0}, versions(run, (width,)), next_key=len(rows))
    record(run, "embed", "all", outcome, time.time())
