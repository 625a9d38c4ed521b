"""The all-pairs join inside executors: rows to cells, every pair of a cell, partial lists merged by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow_vectors import read_rows, to_array, to_matrix, to_ragged
from udfs.notes import ArrowMap
from uninote.neighbours.cells import assign_cells
from uninote.neighbours.exact import exact_topk, topk_all_pairs
from uninote.neighbours.merge import merge_topk


def make_visits(centroids: Callable[[], np.ndarray], overlap: int) -> ArrowMap:
    """Map (item_key, vector) to (cell, item_key, vector), once for each of the `overlap` cells nearest to a row."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = batch.column("item_key").to_numpy()
            cells = assign_cells(to_matrix(batch.column("vector")), centroids(), overlap, keys)
            for visit in range(cells.shape[1]):
                columns = [pa.array(cells[:, visit], pa.int32()), batch.column("item_key"), batch.column("vector")]
                yield pa.RecordBatch.from_arrays(columns, names=["cell", "item_key", "vector"])

    return run


def make_cell_join(k: int, count: Callable[[int], None]) -> ArrowMap:
    """Map the rows of one cell, which are one partition, to (item_key, neighbour_keys, scores): k of each, -1 padded."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, vectors = read_rows(batches)
        if not len(keys):
            return
        positions, scores = topk_all_pairs(vectors, k)
        yield _lists(keys, np.where(positions >= 0, keys[positions], -1), scores)
        count(len(keys))

    return run


def make_merge(parts: int, k: int) -> ArrowMap:
    """Merge `parts` adjacent lists of each item_key into its best k, without padding. Rows come sorted by item_key."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in _whole_groups(batches, parts):
            keys = table.column("item_key").to_numpy().reshape(-1, parts)
            found = to_matrix(table.column("neighbour_keys")).reshape(len(keys), -1)
            found, scores = merge_topk(found, to_matrix(table.column("scores")).reshape(len(keys), -1), k)
            kept = found >= 0
            columns = [pa.array(keys[:, 0]), to_ragged(found, kept), to_ragged(scores, kept)]
            yield pa.RecordBatch.from_arrays(columns, names=["item_key", "neighbour_keys", "scores"])

    return run


def _whole_groups(batches: Iterator[pa.RecordBatch], parts: int) -> Iterator[pa.RecordBatch]:
    """Cut the stream so that no group of `parts` rows is torn apart."""
    rest: pa.RecordBatch | None = None
    for batch in batches:
        joined = batch if rest is None else pa.concat_batches([rest, batch])
        whole = len(joined) - len(joined) % parts
        rest = joined.slice(whole)
        if whole:
            yield joined.slice(0, whole)


def make_exact(queries: Callable[[], tuple[np.ndarray, np.ndarray]], k: int) -> ArrowMap:
    """Map (item_key, vector) rows to each query's best k among them. `queries` returns their (keys, vectors)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, vectors = queries()
        corpus = (read_rows([batch]) for batch in batches if len(batch))
        found, scores = exact_topk(vectors, corpus, k, exclude=keys)
        yield _lists(keys, found, scores)

    return run


def _lists(keys: np.ndarray, neighbour_keys: np.ndarray, scores: np.ndarray) -> pa.RecordBatch:
    columns = [pa.array(keys), to_array(neighbour_keys.astype(np.int64)), to_array(scores.astype(np.float32))]
    return pa.RecordBatch.from_arrays(columns, names=["item_key", "neighbour_keys", "scores"])
