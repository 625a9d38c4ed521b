"""Vectors to codes, in tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from udfs.arrow import ArrowMap, as_matrix, to_batch
from uninote.codes.codebook import Codebook
from uninote.codes.packing import pack


def make_encode(codebook: Callable[[], Codebook], schema: pa.Schema) -> ArrowMap:
    """Map notes (note_id, vector) to `schema`: note_id, `prefix`, the packed codes, and `error`, the squared distance left."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(batch):
                book = codebook()
                found = book.encode_with_errors(as_matrix(batch.column("vector")))
                columns = {"note_id": batch.column("note_id"), "prefix": pa.array(pack(found.codes, book.size))}
                yield to_batch(columns | {"error": pa.array(found.errors[:, -1])}, schema)

    return run
