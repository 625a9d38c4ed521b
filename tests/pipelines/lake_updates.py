"""A lake with given vectors, as embed leaves it after inserts, edits, deletes and edits of attributes."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
from builders import arrow_rows, item_row, make_note, write_notes

from uninote.lake.paths import embeddings_name
from uninote.lake.row_changes import DELETED, RowChanges
from uninote.lake.schemas import embeddings_table, items_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, record

WIDTH = 16


def clustered(rows, seed):
    """Return unit vectors around eight centres, the same whatever the seed."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((8, WIDTH))
    vectors = centres[generator.integers(0, 8, rows)] + 0.7 * generator.standard_normal((rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Lake:
    """`vectors` by note_id, which is the item_key too, and `attributes` of notes, as they are now."""

    def __init__(self, run_of, vectors, attributes=None):
        self.vectors, self.attributes = {}, {}
        self.run_of, self.width = run_of, vectors.shape[1]
        self.update(dict(enumerate(vectors)), attributes=attributes or {})

    def update(self, changed=(), deleted=(), attributes=None):
        """`changed` maps a key to its vector; `attributes` a key to what is new of its attributes."""
        run, changed, attributes = self.run_of(), dict(changed), attributes or {}
        self.vectors |= changed
        for key in deleted:
            del self.vectors[key]
        for key, values in attributes.items():
            self.attributes[key] = self.attributes.get(key, {}) | values
        if self.vectors:  # else the notes are there as they were, and all of them set aside
            write_notes(run, [make_note(key, **self.attributes.get(key, {})) for key in sorted(self.vectors)])
        touched = sorted({*changed, *attributes} & set(self.vectors))
        new_hash = str(time.time())
        rows = [item_row(run, key, self.vectors[key], new_hash, new_hash) | {DELETED: False} for key in touched]
        nothing = np.zeros(self.width)
        rows += [item_row(run, key, nothing, new_hash, new_hash) | {DELETED: True} for key in deleted]
        for spec in (items_table(run.note_id), embeddings_table(run.note_id, embeddings_name(self.width))):
            uri = run.generation.uri(spec.name)
            tables.create(run.spark, spec, uri)
            flags = pa.array([row[DELETED] for row in rows], pa.bool_())
            RowChanges(uri, arrow_rows(uri, rows).append_column(DELETED, flags), spec.key).apply()
        self.record()

    def record(self):
        """Say that embed came to an end."""
        run = self.run_of()
        outcome = Outcome("done", {}, {"notes": 0}, versions(run, (self.width,)), next_key=10**6)
        record(run, "embed", "all", outcome, time.time())

    @property
    def matrix(self):
        """(keys ascending, their vectors)."""
        keys = np.array(sorted(self.vectors), np.int64)
        return keys, np.array([self.vectors[key] for key in keys.tolist()], np.float32).reshape(len(keys), self.width)
