"""Whether a worker's device makes the vectors that others make: items whose vectors are known are embedded there first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from uninote.vectors.widths import truncate

# bfloat16 in batches of other shapes stays above 1 - 2e-4 (docs/encoders.md).
LEAST_COSINE = 0.999
MOVED_SHARE = 0.05

Embedded = Callable[[Iterable[pa.RecordBatch]], Iterable[Sequence[np.ndarray | None]]]
"""Rows to their vectors, null where there is none, in order."""


@dataclass(frozen=True)
class Known:
    """Items whose vectors are known: rows as a task gets them, a stream of Arrow's as bytes; and float32 (rows, width).

    `kinds` of device have made these vectors, or are known to make them.
    """

    rows: bytes
    vectors: np.ndarray
    kinds: frozenset[str]

    def cosines(self, embedded: Embedded) -> np.ndarray:
        """Return float32 (m,): the cosines of what is embedded now to what is known, of all rows that have a vector now."""
        batches = pa.ipc.open_stream(self.rows)
        found = []
        at = []
        row = 0
        for vectors in embedded(batches):
            for vector in vectors:
                if vector is not None:
                    found.append(vector)
                    at.append(row)
                row += 1
        if not found:
            return np.empty(0, np.float32)
        known = self.vectors[at]
        cosines: np.ndarray = np.einsum("nd,nd->n", known, truncate(np.stack(found), known.shape[1]))
        return cosines


def to_stream(rows: pa.Table) -> bytes:
    """Return rows as the bytes that Known keeps."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def have_moved(cosines: np.ndarray) -> bool:
    """Say whether so many vectors are others now that it is another model; one may be anything."""
    return int((cosines < LEAST_COSINE).sum()) > max(1, MOVED_SHARE * len(cosines))
