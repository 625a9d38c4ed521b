"""Small corpora in a narrow cone, and indexes of them, built as the jobs build them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from uninote.index.files.manifest import publish_manifest, read_manifest
from uninote.index.files.records import Manifest, Segment
from uninote.index.note_keys import COLUMNS
from uninote.index.planning.plan import FAST_SCAN_NBITS
from uninote.index.shard_builder import ShardBuilder
from uninote.index.voided import write_voided


def make_corpus(rows=3000, width=32, seed=0):
    """Unit vectors around 40 centres, all of them near one direction, as of an untrained encoder."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((40, width))
    points = centres[generator.integers(0, 40, rows)] + generator.standard_normal((rows, width)) / 2
    points[:, 0] += 20
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def key_rows(keys, **columns):
    """Return the note_keys.COLUMNS of `keys`: note n<key>, of category even or odd."""
    keys = np.asarray(keys)
    values = {
        "item_key": pa.array(keys, pa.int64()),
        "note_id": [f"n{key}" for key in keys],
        "kind": ["note"] * len(keys),
        "category": [("even", "odd")[key % 2] for key in keys],
        "author": pa.array([None if key % 10 == 0 else f"a{key % 10}" for key in keys], pa.string()),
        "language": ["zh"] * len(keys),
        "visibility": ["public"] * len(keys),
    } | columns
    return pa.RecordBatch.from_pydict({name: values[name] for name in COLUMNS})


def build_segment(folder, template, name, rows, num_shards=1, voided=()):
    """Build the shards of a segment from `rows` (keys, vectors[, columns]) in two batches each; `voided` keys it voids."""
    keys, vectors, *columns = rows
    rotated = template.rotate(vectors)
    lists = template.assign(rotated) if len(keys) else np.empty(0, int)
    cell_shard = template.pack(num_shards)
    rerank = template.index.pq.nbits == FAST_SCAN_NBITS  # as plans are
    shards = []
    for shard_id in range(cell_shard.max() + 1):
        builder = ShardBuilder(template, shard_id, np.flatnonzero(cell_shard == shard_id), rerank)
        mine = np.flatnonzero(cell_shard[template.list_cell[lists]] == shard_id)
        for part in np.array_split(mine[np.argsort(keys[mine])], 2):
            extra = {name: [values[row] for row in part] for name, values in (columns[0] if columns else {}).items()}
            builder.add(key_rows(keys[part], **extra), rotated[part], lists[part])
        if len(mine):
            shards.append(builder.finish(folder, f"shard-{shard_id:05d}-{name}"))
    voided = np.asarray(voided, np.int64)
    file = folder.put(f"gone-{name}.parquet", lambda path: write_voided(voided, path)) if len(voided) else None
    return Segment(name, len(keys), tuple(shards), len(voided), file, {"items": 3})


def publish_base(folder, template, plan, rows):
    """Publish an index of one segment and return its manifest."""
    base = build_segment(folder, template, "base", rows, plan.num_shards)
    name = template.save(folder)
    manifest = Manifest(
        "g", plan.width, ("note",), "settings", plan, name, 16, len(rows[0]), (base,), "2030-01-01T00:00:00Z"
    )
    publish_manifest(folder, manifest)
    return manifest


def publish_update(folder, template, name, rows, voided, live):
    """Publish one more segment."""
    before = read_manifest(folder)
    segment = build_segment(folder, template, name, rows, voided=voided)
    publish_manifest(folder, replace(before, segments=(*before.segments, segment), live=live))
