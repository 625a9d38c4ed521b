"""Rows to the cells they are joined in, with vectors as bytes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.arrow import from_bytes, to_bytes, to_matrix
from udfs.notes.fingerprints import ArrowMap
from uninote.neighbours.cells import assign_cells
from uninote.vectors.kmeans import compute_in_one_thread, nearest_centroids


@dataclass(frozen=True)
class Cells:
    """The cells' centroids, float32 (cells, width), and in how many of them a row is."""

    centroids: Callable[[], np.ndarray]
    overlap: int

    def of(self, vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return int32 (n, overlap): each row's cells, the nearest first."""
        return assign_cells(vectors, self.centroids(), self.overlap, keys)


@dataclass(frozen=True)
class NightCells:
    """The cells' centroids, and how many of the nearest ones a row that changed visits, beside the one it is at home in."""

    centroids: Callable[[], np.ndarray]
    visits: int

    def of(self, vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return int32 (n, 1 + visits): each row's home, then the others that it visits; -1 where that is its home again."""
        home = assign_cells(vectors, self.centroids(), 1, keys)
        near = nearest_centroids(vectors, self.centroids(), self.visits)
        return np.column_stack([home, np.where(near == home, -1, near)]).astype(np.int32)


def vectors_as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield rows with their `vector`, lists of floats or bytes already, as bytes: Spark moves lists element by element."""
    for batch in (batch for batch in batches if len(batch)):
        place = batch.schema.get_field_index("vector")
        if pa.types.is_binary(batch.schema.types[place]):
            yield batch
        else:
            yield batch.set_column(place, "vector", to_bytes(to_matrix(batch.column(place))))


def make_visits(cells: Cells | NightCells) -> ArrowMap:
    """Map (item_key, note_id, vector, …) to the same with each `cell` that it is in, and whether it is at `home` there."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        for batch in vectors_as_bytes(batches):
            vectors = from_bytes(batch.column("vector"), cells.centroids().shape[1])
            found = cells.of(vectors, batch.column("item_key").to_numpy())
            for visit in range(found.shape[1]):
                visiting = batch.append_column("cell", pa.array(found[:, visit], pa.int32()))
                visiting = visiting.append_column("home", pa.array([visit == 0] * len(batch)))
                yield visiting.filter(pa.array(found[:, visit] >= 0))

    return run
