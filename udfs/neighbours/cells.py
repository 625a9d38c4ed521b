"""Rows to the cells that they are joined in, with vectors as bytes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, from_bytes, to_bytes, to_matrix
from uninote.neighbours.cells import assign_cells
from uninote.vectors.kmeans import compute_in_one_thread, nearest_centroids

_PART_BYTES = 64 << 20  # of the vectors that are passed on together


@dataclass(frozen=True)
class FullJoinCells:
    """The cells' centroids, float32 (cells, width), and in how many of them a row is."""

    centroids: Callable[[], np.ndarray]
    overlap: int

    def of(self, vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return int32 (n, overlap): each row's cells, its primary one first."""
        return assign_cells(vectors, self.centroids(), self.overlap, keys)


@dataclass(frozen=True)
class UpdateCells:
    """The cells' centroids, and to how many of the nearest ones a changed row is sent, beside its primary cell."""

    centroids: Callable[[], np.ndarray]
    nearest: int

    def of(self, vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return int32 (n, 1 + nearest): each row's primary cell, then the nearest ones; -1 where that is the same again."""
        primary = assign_cells(vectors, self.centroids(), 1, keys)
        near = nearest_centroids(vectors, self.centroids(), self.nearest)
        return np.column_stack([primary, np.where(near == primary, -1, near)]).astype(np.int32)


def vectors_as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield rows with their `vector`, lists of floats or bytes already, as bytes: Spark moves lists element by element."""
    for batch in batches:
        if not len(batch):
            continue
        place = batch.schema.get_field_index("vector")
        if pa.types.is_binary(batch.schema.types[place]):
            yield batch
            continue
        matrix = to_matrix(batch.column(place))
        # In parts: Spark holds a batch in one piece, and a file's batch of wide vectors may have a gigabyte.
        rows = max(1, _PART_BYTES // (4 * matrix.shape[1]))
        for start in range(0, len(batch), rows):
            part = to_bytes(matrix[start : start + rows])
            yield batch.slice(start, rows).set_column(place, "vector", part)


def make_replicas(cells: FullJoinCells | UpdateCells) -> ArrowMap:
    """Map (item_key, note_id, vector, …) to a copy for each `cell` that the row is in; `primary` is true for one of them."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        for batch in vectors_as_bytes(batches):
            vectors = from_bytes(batch.column("vector"), cells.centroids().shape[1])
            found = cells.of(vectors, batch.column("item_key").to_numpy())
            for column in range(found.shape[1]):
                replicas = batch.append_column("cell", pa.array(found[:, column], pa.int32()))
                replicas = replicas.append_column("primary", pa.array([column == 0] * len(batch)))
                yield replicas.filter(pa.array(found[:, column] >= 0))

    return run
