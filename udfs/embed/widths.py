"""Narrower vectors out of wider ones, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import ArrowMap, to_array, to_matrix
from uninote.vectors.widths import truncate


def make_truncate(width: int) -> ArrowMap:
    """Map rows with a `vector` to the same rows with its renormalised prefix of `width`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            position = batch.schema.get_field_index("vector")
            narrow = to_array(truncate(to_matrix(batch.column(position)), width))
            yield batch.set_column(position, "vector", narrow)

    return run
