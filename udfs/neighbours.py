"""The all-pairs join inside executors: all rows of a cell with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow_vectors import from_bytes, to_matrix
from udfs.kept_rows import Items
from udfs.neighbour_lists import lists_of
from udfs.notes import ArrowMap
from uninote.kmeans import compute_in_one_thread
from uninote.neighbours.partitions import Partition
from uninote.neighbours.rules import Rows, Rule, join_rows

Count = Callable[[int], None]
Tell = Iterator[pa.RecordBatch]  # WRITTEN, of files
Sink = Callable[[str, Iterator[pa.RecordBatch]], Tell]  # of a table's name and LISTS
Keep = Callable[[int, Items, np.ndarray, Sequence[Partition]], Tell]  # of a cell's number, rows and which are at home


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


def make_cell_join(task: JoinTask, sink: Sink, keep: Keep, count: Count) -> ArrowMap:
    """Join the rows of one cell, one partition; give `sink` a list for each row and table, by note_id; tell WRITTEN.

    `keep` gets the rows themselves, and the partitions of the first table that had any.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Tell:
        compute_in_one_thread()
        held = list(batches)
        if not sum(map(len, held)):
            return
        table = pa.Table.from_batches(held)
        items, home = _read(table, task)
        order, partitions = pc.sort_indices(items.ids).to_numpy(), list[Partition]()
        for name, rule in task.rules.items():
            wanted = partitions if rule.plain and not partitions else None
            ids, scores = join_rows(items.rows, rule, task.k, task.recall, task.seed, wanted)
            lists = lists_of(items.keys, items.ids, order, (ids[order], scores[order]), len(items.keys))
            yield from named(name, sink(name, lists))
        cell = table["cell"][0].as_py() if "cell" in table.schema.names else 0
        yield from named("", keep(cell, items, home, partitions))
        count(len(items.keys))

    return run


def _read(table: pa.Table, task: JoinTask) -> tuple[Items, np.ndarray]:
    """Return rows in order of key, so that what is made of them does not depend on how they came; and which are at home."""
    keys = table["item_key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    vectors = np.empty((len(keys), task.width), np.float32)
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    start = 0
    for chunk in table["vector"].chunks:
        rows = from_bytes(chunk, task.width) if pa.types.is_binary(chunk.type) else to_matrix(chunk)
        vectors[place[start : start + len(chunk)]] = rows
        start += len(chunk)
    attributes = {name: np.array(table[name].to_pylist(), dtype=object)[order] for name in task.attributes}
    ids = table["note_id"].combine_chunks().take(pa.array(order))
    home = np.asarray(table["home"])[order] if "home" in table.schema.names else np.ones(len(keys), bool)
    return Items(keys[order], ids, Rows(vectors, attributes)), home


def named(table: str, rows: Tell) -> Tell:
    """Put before each row the table that it is for."""
    for batch in rows:
        yield batch.add_column(0, "table", pa.array([table] * len(batch), pa.string()))
