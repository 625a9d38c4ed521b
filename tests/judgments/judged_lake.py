"""A small lake with neighbour lists, their private tables and a release, made without Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, Schema, write_deltalake
from pyspark.sql.types import LongType, StringType

from udfs.neighbours.files import ListFolders, write_lists
from udfs.neighbours.full_join import background_rows
from udfs.neighbours.lists import Owners, lists_of
from uninote.config.sections.neighbours import NeighboursConfig
from uninote.lake.delta_files import replace_files, set_property
from uninote.lake.parquet_files import DataFile, write_file
from uninote.lake.paths import Lake
from uninote.lake.record import FORMAT, LakeRecord, write_record
from uninote.lake.releases.pointer import change_pointer, read_pointer
from uninote.lake.releases.record import Release, write_release
from uninote.lake.schemas import neighbour_background_table, neighbour_state_table, neighbours_table, notes_table
from uninote.media.places import MEDIA_ROOT
from uninote.neighbours.background import Background
from uninote.neighbours.results.lists import Lists

GENERATION = "0123456789abcdef"
K, SLACK, NOTES = 6, 2, 300
LABELS = 10


def vectors_of(seed=0):
    """Return (vectors, labels) in which near notes often share a label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, LABELS, NOTES)
    centres = np.random.default_rng(9).standard_normal((LABELS, 24))
    vectors = centres[labels] + rng.choice([0.6, 1.6], (NOTES, 1)) * rng.standard_normal((NOTES, 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def make_lake(root, ids, texts=None, media_root=None):
    """Make the lake at `root`, of notes with these ids; returns its vectors and labels. `texts`: an id to fields of its row."""
    vectors, labels = vectors_of()
    lake = str(root)
    kind = LongType() if isinstance(ids[0], int) else StringType()
    write_record(Lake(lake), LakeRecord("00112233445566778899aabbccddeeff", FORMAT))
    spec = notes_table(kind)
    schema = pa.schema(Schema.from_json(spec.schema.json()).to_arrow())
    rows = [{"note_id": one, "title": f"note {one}", "body": "a text", **(texts or {}).get(one, {})} for one in ids]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    write_deltalake(f"{lake}/notes", table)
    if media_root is not None:
        set_property(f"{lake}/notes", MEDIA_ROOT, str(media_root))
    write_tables(lake, ids, vectors, kind)
    publish(lake)
    return vectors, labels


def write_tables(lake, ids, vectors, kind):
    keys = np.arange(len(ids), dtype=np.int64)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : K + SLACK]
    found = Lists(best, np.take_along_axis(scores, best, axis=1))
    background = Background.of(keys[::2], vectors[::2])
    owners = Owners(keys, pa.array(ids), background.of_rows(vectors))
    base = f"{lake}/{GENERATION}"
    state, public = neighbour_state_table(kind, "neighbours"), neighbours_table(kind)
    folders = ListFolders(f"{base}/{state.name}", f"{base}/neighbours", None, K + SLACK, K, 1.1, keys[::2])
    order = pa.array(np.argsort(np.array(ids, dtype=object if isinstance(ids[0], str) else None)))
    lists = [batch.take(order) for batch in lists_of(owners, keys, found, 0)]
    written = [row for batch in write_lists(iter(lists), folders) for row in batch.to_pylist()]
    for spec, name in ((state, "state"), (public, "public")):
        files = [DataFile(row["path"], row["size"], row["rows"], None, None) for row in written if row["kind"] == name]
        replace_files(f"{base}/{spec.name}", spec.schema.json(), files)
    spec = neighbour_background_table(kind)
    rows = background_rows(keys[::2], owners.ids.take(pa.array(keys[::2])), vectors[::2])
    replace_files(f"{base}/{spec.name}", spec.schema.json(), [write_file(rows, f"{base}/{spec.name}")])


def publish(lake):
    """Let readers see the tables as they stand, and return the release's number."""
    names = [
        "notes",
        *(f"{GENERATION}/{name}" for name in NAMES if DeltaTable.is_deltatable(f"{lake}/{GENERATION}/{name}")),
    ]
    versions = {name: DeltaTable(f"{lake}/{name}").version() for name in names}
    now = datetime.now(UTC).isoformat()
    joined = {"settings": NeighboursConfig(k=K, slack=SLACK).model_dump(mode="json"), "width": 24}
    made = Release(0, now, "test", "00112233445566778899aabbccddeeff", GENERATION, versions, {}, {}, joined=joined)
    live = read_pointer(lake).live
    number = write_release(lake, made, live or 0).id
    change_pointer(lake, lambda before: replace(before, live=number, kept=(*before.kept, number), change="test"))
    return number


NAMES = ("neighbours", "neighbour_state/neighbours", "neighbour_background", "confidence_maps")
