"""The all-pairs join inside executors: rows to cells, the pairs of a cell, partial lists merged by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.arrow_vectors import read_rows, to_array, to_matrix
from udfs.neighbour_lists import lists_of
from udfs.notes import ArrowMap
from uninote.kmeans import compute_in_one_thread
from uninote.neighbours.cells import assign_cells
from uninote.neighbours.changed import join_changed
from uninote.neighbours.exact import exact_topk
from uninote.neighbours.rules import Rows, Rule, by_rule, join_rows

Array = Callable[[], np.ndarray]
Count = Callable[[int], None]
_CHUNK_BYTES = 256 << 20  # of vectors that meet the changed ones at a time


@dataclass(frozen=True)
class JoinTask:
    """What a task of the join makes: a list of `k` for each rule, by the tables' names, at a recall within the cell."""

    rules: Mapping[str, Rule]
    k: int
    recall: float
    seed: int
    width: int

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that any of the rules looks at."""
        return tuple(sorted({name for rule in self.rules.values() for name in rule.attributes}))


@dataclass(frozen=True)
class _Items:
    """Rows that meet, and what their lists are made of: `keys` int64 (n,), `ids` their note_ids."""

    keys: np.ndarray
    ids: pa.Array
    rows: Rows


def make_visits(centroids: Array, overlap: int) -> ArrowMap:
    """Map (item_key, note_id, vector, …) to the same with its `cell`, once for each of the `overlap` cells nearest to it.

    Vectors go on as bytes of float32: Spark copies those whole, and lists element by element.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        for batch in batches:
            if not len(batch):
                continue
            vectors = to_matrix(batch.column("vector"))
            place = batch.schema.get_field_index("vector")
            batch = batch.set_column(place, "vector", _to_bytes(vectors))
            cells = assign_cells(vectors, centroids(), overlap, batch.column("item_key").to_numpy())
            for visit in range(cells.shape[1]):
                yield batch.append_column("cell", pa.array(cells[:, visit], pa.int32()))

    return run


def make_cell_join(task: JoinTask, count: Count) -> ArrowMap:
    """Map the rows of one cell, which are one partition, to a list for each row and table: `table` and LISTS."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        items = _read(list(batches), task)
        if items is None:
            return
        for name, rule in task.rules.items():
            found = join_rows(items.rows, rule, task.k, task.recall, task.seed)
            yield from _named(name, lists_of(items.keys, items.ids, np.arange(len(items.keys)), found, len(items.keys)))
        count(len(items.keys))

    return run


@dataclass(frozen=True)
class Changed:
    """The rows that a night joins with all others: their keys ascending, note_ids, vectors, attributes, and cells.

    `limits`, by table, holds at each item_key the score that a new
    neighbour must exceed; keys past its end have none. `cells` int32 (n, overlap) are those each row is in.
    """

    keys: np.ndarray
    ids: pa.Array
    rows: Rows
    cells: np.ndarray
    limits: Mapping[str, np.ndarray]


def make_changed_join(
    task: JoinTask, changed: Callable[[], Changed], centroids: Array, overlap: int, count: Count
) -> ArrowMap:
    """Map all rows, as they are stored, to the lists that pairs with `changed` rows make: of those rows, and of these.

    Rows meet where they share a cell. Nothing is shuffled; lists of one row come from several tasks.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        few = changed()
        for held in _chunks(batches, _CHUNK_BYTES // (4 * task.width)):
            items = _read(held, task)
            if items is None:
                continue
            cells = assign_cells(items.rows.vectors, centroids(), overlap, items.keys)
            for cell in np.unique(few.cells).tolist():
                mine = np.flatnonzero((few.cells == cell).any(axis=1))
                here = np.flatnonzero((cells == cell).any(axis=1) & ~np.isin(items.keys, few.keys[mine]))
                yield from _join_one_cell(task, few, mine, items, here)
            count(len(items.keys))

    return run


def _join_one_cell(
    task: JoinTask, few: Changed, mine: np.ndarray, items: _Items, here: np.ndarray
) -> Iterator[pa.RecordBatch]:
    """Join the changed rows `mine` with each other and with the rows `here`."""
    first = few.rows.take(mine), items.rows.take(here)
    attributes = {name: np.concatenate([one.attributes[name] for one in first]) for name in task.attributes}
    rows = Rows(np.concatenate([one.vectors for one in first]), attributes)
    keys = np.concatenate([few.keys[mine], items.keys[here]])
    ids = pa.concat_arrays([few.ids.take(pa.array(mine)), items.ids.take(pa.array(here))])
    count = len(mine)
    for name, rule in task.rules.items():
        limits = _limits(few.limits[name], keys)
        limits[:count] = -np.inf

        def join(
            some: Rows, places: np.ndarray, depth: int, limits: np.ndarray = limits
        ) -> tuple[np.ndarray, np.ndarray]:
            return join_changed(some.vectors, int((places < count).sum()), depth, limits[places])

        found, scores = by_rule(rows, rule, task.k, join, np.arange(count))
        touched = np.flatnonzero(found[:, 0] >= 0)
        yield from _named(name, lists_of(keys, ids, touched, (found[touched], scores[touched]), count))


def _limits(by_key: np.ndarray, keys: np.ndarray) -> np.ndarray:
    known = keys < len(by_key)
    limits = np.full(len(keys), -np.inf, dtype=np.float32)
    limits[known] = by_key[keys[known]]
    return limits


def make_exact(queries: Callable[[], tuple[np.ndarray, np.ndarray]], k: int) -> ArrowMap:
    """Map (item_key, vector) rows to each query's best k among them. `queries` returns their (keys, vectors)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, vectors = queries()
        corpus = (read_rows([batch]) for batch in batches if len(batch))
        found, scores = exact_topk(vectors, corpus, k, exclude=keys)
        columns = [pa.array(keys), to_array(found.astype(np.int64)), to_array(scores.astype(np.float32))]
        yield pa.RecordBatch.from_arrays(columns, names=["item_key", "neighbour_keys", "scores"])

    return run


def _read(batches: Sequence[pa.RecordBatch], task: JoinTask) -> _Items | None:
    """Put batches together in order of key, so that what is made of them does not depend on how they came."""
    if not sum(map(len, batches)):
        return None
    table = pa.Table.from_batches(batches)
    keys = table["item_key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    vectors = np.empty((len(keys), task.width), np.float32)
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    start = 0
    for chunk in table["vector"].chunks:
        vectors[place[start : start + len(chunk)]] = _from_column(chunk, task.width)
        start += len(chunk)
    attributes = {name: np.array(table[name].to_pylist(), dtype=object)[order] for name in task.attributes}
    ids = table["note_id"].combine_chunks().take(pa.array(order))
    return _Items(keys[order], ids, Rows(vectors, attributes))


def _from_column(column: pa.Array, width: int) -> np.ndarray:
    """Return float32 (n, width) of a column of lists or of bytes."""
    if not pa.types.is_binary(column.type):
        return to_matrix(column)
    offsets = np.frombuffer(column.buffers()[1], np.int32)
    start = int(offsets[column.offset])
    return np.frombuffer(column.buffers()[2], np.float32, len(column) * width, start).reshape(-1, width)


def _to_bytes(vectors: np.ndarray) -> pa.BinaryArray:
    rows, width = vectors.shape
    offsets = np.arange(0, (rows + 1) * width * 4, width * 4, dtype=np.int32)
    flat = np.ascontiguousarray(vectors)
    return pa.BinaryArray.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(flat)])


def _named(table: str, lists: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put before each row the table that it is for."""
    for batch in lists:
        yield batch.add_column(0, "table", pa.array([table] * len(batch), pa.string()))


def _chunks(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Collect batches until they have `rows` rows."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= rows:
            yield held
            held = []
    if held:
        yield held
