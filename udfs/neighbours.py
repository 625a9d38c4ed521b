"""The all-pairs join inside executors: rows to cells, the pairs of a cell, partial lists merged by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow_vectors import to_matrix
from udfs.neighbour_lists import lists_of
from udfs.notes import ArrowMap
from uninote.kmeans import compute_in_one_thread
from uninote.neighbours.cells import assign_cells
from uninote.neighbours.changed import join_changed
from uninote.neighbours.rules import Rows, Rule, by_rule, join_rows

Count = Callable[[int], None]
Sink = Callable[[str, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]  # of a table's name and LISTS; tells WRITTEN
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


@dataclass(frozen=True)
class Cells:
    """The cells' centroids, float32 (cells, width), and in how many of them a row is."""

    centroids: Callable[[], np.ndarray]
    overlap: int

    def of(self, vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return int32 (n, overlap): each row's cells, the nearest first."""
        return assign_cells(vectors, self.centroids(), self.overlap, keys)


def make_visits(cells: Cells) -> ArrowMap:
    """Map (item_key, note_id, vector, …) to the same with its `cell`, once for each cell that it is in.

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
            found = cells.of(vectors, batch.column("item_key").to_numpy())
            for visit in range(found.shape[1]):
                yield batch.append_column("cell", pa.array(found[:, visit], pa.int32()))

    return run


def make_cell_join(task: JoinTask, sink: Sink, count: Count) -> ArrowMap:
    """Join the rows of one cell, one partition; give `sink` a list for each row and table, by note_id; tell WRITTEN."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        items = _read(list(batches), task)
        if items is None:
            return
        order = pc.sort_indices(items.ids).to_numpy()
        for name, rule in task.rules.items():
            ids, scores = join_rows(items.rows, rule, task.k, task.recall, task.seed)
            lists = lists_of(items.keys, items.ids, order, (ids[order], scores[order]), len(items.keys))
            yield from _named(name, sink(name, lists))
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
    task: JoinTask, changed: Callable[[], Changed], cells: Cells, sink: Sink, count: Count
) -> ArrowMap:
    """Join all rows, as they are stored, with `changed` ones; give `sink` the lists of either side; tell WRITTEN.

    Rows meet where they share a cell. Nothing is shuffled; lists of one row come from several tasks.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        few, found = changed(), dict[str, list[pa.RecordBatch]]()
        for held in _chunks(batches, _CHUNK_BYTES // (4 * task.width)):
            items = _read(held, task)
            if items is None:
                continue
            theirs = cells.of(items.rows.vectors, items.keys)
            for cell in np.unique(few.cells).tolist():
                mine = np.flatnonzero((few.cells == cell).any(axis=1))
                here = np.flatnonzero((theirs == cell).any(axis=1) & ~np.isin(items.keys, few.keys[mine]))
                for name, lists in _join_one_cell(task, few, mine, items, here):
                    found.setdefault(name, []).extend(lists)
            count(len(items.keys))
        for name, batches_of in found.items():
            yield from _named(name, sink(name, iter(batches_of)))

    return run


def _join_one_cell(
    task: JoinTask, few: Changed, mine: np.ndarray, items: _Items, here: np.ndarray
) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """Join the changed rows `mine` with each other and with the rows `here`; yield each table's lists."""
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
        yield name, lists_of(keys, ids, touched, (found[touched], scores[touched]), count)


def _limits(by_key: np.ndarray, keys: np.ndarray) -> np.ndarray:
    known = keys < len(by_key)
    limits = np.full(len(keys), -np.inf, dtype=np.float32)
    limits[known] = by_key[keys[known]]
    return limits


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


def _named(table: str, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put before each row the table that it is for."""
    for batch in rows:
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
