"""A lake with given vectors, as embed leaves it after inserts, edits, deletes and edits of attributes."""

from __future__ import annotations

import time

import numpy as np
from builders import CUTS, NOT_CUT, make_note, write_notes

from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, items_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, record


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
        vectors = [(key, self.vectors[key].tolist(), False) for key in touched]
        vectors += [(key, [0.0] * self.width, True) for key in deleted]
        new_hash = str(time.time())
        rows = []
        for key, vector, is_deleted in vectors:
            made_by = run.model.generation
            rows.append((key, str(key), key, "note", new_hash, new_hash, False, made_by, *NOT_CUT, vector, is_deleted))
        columns = "item_key bigint, item_id string, note_id bigint, kind string, content_hash string, meta_hash string"
        flags = f"degraded boolean, generation string, {CUTS}, vector array<float>"
        frame = run.spark.createDataFrame(rows, f"{columns}, {flags}, {tables.DELETED} boolean")
        for spec in (items_table(run.note_id), embeddings_table(run.note_id, embeddings_name(self.width))):
            tables.apply_changes(frame.select(*spec.columns, tables.DELETED), spec, run.generation.uri(spec.name))
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
