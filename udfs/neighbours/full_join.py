"""The all-pairs join inside executors: all rows of a cell with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import as_matrix
from udfs.neighbours.cell_rows import Items
from udfs.neighbours.lists import lists_of
from udfs.notes.fingerprints import ArrowMap
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.rules import Rows, Rule, join_rows
from uninote.vectors.kmeans import compute_in_one_thread

Count = Callable[[int], None]
Tell = Iterator[pa.RecordBatch]  # WRITTEN, of files
Sink = Callable[[str, Iterator[pa.RecordBatch]], Tell]  # of a table's name and LISTS
Keep = Callable[[int, Items, np.ndarray, Sequence[Assignment]], Tell]  # of a cell's number, rows and which are at home


@dataclass(frozen=True)
class JoinTask:
    """What a task of the join makes: lists for each rule, by the tables' names, as the `search` within a cell says."""

    rules: Mapping[str, Rule]
    search: Search
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
        held = [batch for batch in batches if len(batch)]
        if not held:
            return
        cell = held[0]["cell"][0].as_py() if "cell" in held[0].schema.names else 0
        items, home = read_items(held, task)
        order, partitions = pc.sort_indices(items.ids).to_numpy(), list[Assignment]()
        for name, rule in task.rules.items():
            wanted = partitions if rule.plain and not partitions else None
            found = join_rows(items.rows, rule, task.search, wanted)
            lists = lists_of(items.keys, items.ids, order, found, len(items.keys))
            yield from named(name, sink(name, lists))
        yield from named("", keep(cell, items, home, partitions))
        count(len(items.keys))

    return run


def read_items(held: list[pa.RecordBatch], task: JoinTask) -> tuple[Items, np.ndarray]:
    """Return rows in order of key, so that what is made of them does not depend on how they came; and which are at home.

    Empties `held`: each batch goes once it is copied, or there would be all vectors twice.
    """
    table = pa.Table.from_batches([batch.drop_columns(["vector"]) for batch in held]).combine_chunks()
    order = np.argsort(table["item_key"].to_numpy(), kind="stable")
    table, place = table.take(pa.array(order)).combine_chunks(), np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    vectors, start = np.empty((len(order), task.width), np.float32), 0
    held.reverse()
    while held:
        column = held.pop().column("vector")
        rows = as_matrix(column, task.width)
        vectors[place[start : start + len(rows)]] = rows
        start += len(rows)
    attributes = {name: np.array(table[name].to_pylist(), dtype=object) for name in task.attributes}
    home = np.asarray(table["home"]) if "home" in table.schema.names else np.ones(len(order), bool)
    return Items(table["item_key"].to_numpy(), table["note_id"].combine_chunks(), Rows(vectors, attributes)), home


def named(table: str, rows: Tell) -> Tell:
    """Put before each row the table that it is for."""
    for batch in rows:
        yield batch.add_column(0, "table", pa.array([table] * len(batch), pa.string()))
