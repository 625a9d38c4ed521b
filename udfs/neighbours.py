"""The all-pairs join inside executors: all rows of a cell with each other, or a night's changed rows with all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.neighbour_cells import Cells, from_column
from udfs.neighbour_lists import lists_of
from udfs.notes import ArrowMap
from uninote.kmeans import compute_in_one_thread
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
        vectors[place[start : start + len(chunk)]] = from_column(chunk, task.width)
        start += len(chunk)
    attributes = {name: np.array(table[name].to_pylist(), dtype=object)[order] for name in task.attributes}
    ids = table["note_id"].combine_chunks().take(pa.array(order))
    return _Items(keys[order], ids, Rows(vectors, attributes))


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
