"""What the vectors of a chunk look like together, task by task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, to_matrix
from uninote.vectors.health import Health, equal_marks

MEASURED = ("mark", "content_hash", "item_id", "health")


def make_health(widths: Sequence[int]) -> ArrowMap:
    """Map rows with content_hash, item_id, tokens_cut and a `vector` to MEASURED: a row for each, and one of the whole task.

    `mark`: equal for equal vectors. `health`, of the task's own row alone: a Health as bytes. Items of which only the head was
    read have no row: two that begin alike have one vector for a reason.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        health = Health()
        for batch in batches:
            if not len(batch):
                continue
            vectors = to_matrix(batch.column("vector"))
            health.add(Health.of(vectors, widths))
            is_complete = pc.equal(batch.column("tokens_cut"), 0)
            complete = batch.filter(is_complete)
            marks = pa.array(equal_marks(vectors)).filter(is_complete)
            yield _rows(marks, complete.column("content_hash"), complete.column("item_id"), None)
        if health.count:
            yield _rows(pa.nulls(1, pa.int64()), pa.nulls(1, pa.string()), pa.nulls(1, pa.string()), health.pack())

    return run


def _rows(marks: pa.Array, contents: pa.Array, items: pa.Array, health: bytes | None) -> pa.RecordBatch:
    packed = pa.array([health] * len(marks), pa.binary())
    return pa.RecordBatch.from_arrays([marks, contents, items, packed], names=[*MEASURED])
