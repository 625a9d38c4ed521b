"""The full join inside executors: all rows of a cell with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, as_matrix, to_array
from udfs.neighbours.cell_rows import Items
from udfs.neighbours.files import BACKGROUND, file_record, with_table
from udfs.neighbours.lists import Owners, lists_of
from udfs.neighbours.recall import Sampled, write_truths
from uninote.lake.parquet_files import write_file
from uninote.neighbours.background import Background
from uninote.neighbours.by_rule.rule_lists import join_rows
from uninote.neighbours.by_rule.rules import Rows, Rule
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.results.progress import RowsDone, watching
from uninote.vectors.kmeans import compute_in_one_thread

Count = Callable[[int], None]
FileRecords = Iterator[pa.RecordBatch]
Sink = Callable[[str, Iterator[pa.RecordBatch]], FileRecords]  # writes LISTS of the table that is named first
WriteCell = Callable[[int, Items, np.ndarray, Sequence[Assignment]], FileRecords]  # see CellFolders.write_cell


@dataclass(frozen=True)
class OwnBackground:
    """The notes of a background that a task draws from its own rows: `keys` int64 ascending, and the `folder` of its file."""

    keys: np.ndarray
    folder: str


@dataclass(frozen=True)
class JoinTask:
    """What a task of the join makes: lists for each rule, by the tables' names, as the `search` within a cell says.

    A task that has all notes finds the exact lists of those `sampled` too, which recall is measured by; null where none has.
    It draws the `background` of scores from its rows too.
    """

    rules: Mapping[str, Rule]
    search: Search
    width: int
    background: Background | OwnBackground
    sampled: Sampled | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that any of the rules looks at."""
        return tuple(sorted({name for rule in self.rules.values() for name in rule.attributes}))


def make_cell_join(task: JoinTask, sink: Sink, write_cell: WriteCell, count: Count) -> ArrowMap:
    """Join the rows of one cell, one partition; give `sink` a list for each row and table, in order of note_id.

    `write_cell` gets the rows themselves, and the assignments of the first table that had any. Yields a FILE_RECORD, with the
    table's name first, for each file that was written.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> FileRecords:
        compute_in_one_thread()
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        cell = rows[0]["cell"][0].as_py() if "cell" in rows[0].schema.names else 0
        items, primary = read_items(rows, task)
        order = pc.sort_indices(items.ids).to_numpy()
        background, written = background_of(task, items)
        yield from written
        owners = Owners(items.keys, items.ids, _backgrounds(background, items, primary))
        assignments: list[Assignment] = []
        done = RowsDone(len(items.keys), len(task.rules), count)
        for table, (name, rule) in enumerate(task.rules.items()):
            # Any rule that looks at vectors alone gathers rows alike: the first one's assignments serve all updates.
            wanted = assignments if rule.plain and not assignments else None
            # Where a rule cuts rows into groups, each has a join of its own, whose share says nothing of the table.
            with nullcontext() if rule.same else watching(done.within(table)):
                found = join_rows(items.rows, rule, task.search, wanted)
            lists = lists_of(owners, order, found, len(items.keys))
            yield from with_table(name, sink(name, lists))
            done.reach(table + 1)
        yield from with_table("", write_cell(cell, items, primary, assignments))
        if task.sampled is not None:
            yield from write_truths(items, task.rules, task.sampled)

    return run


def background_of(task: JoinTask, items: Items) -> tuple[Background, FileRecords]:
    """Return the background of scores, and the FILE_RECORDs, with the table's name first, of what is written of it here."""
    wanted = task.background
    if isinstance(wanted, Background):
        return wanted, iter(())
    drawn = items.take(np.flatnonzero(np.isin(items.keys, wanted.keys)))
    file = write_file(background_rows(drawn.keys, drawn.ids, drawn.rows.vectors), wanted.folder)
    return Background.of(drawn.keys, drawn.rows.vectors), with_table("", iter([file_record(BACKGROUND, file)]))


def _backgrounds(background: Background, items: Items, primary: np.ndarray) -> np.ndarray:
    """Return float32 (n, 2), NaN where this is not a row's primary cell: one task for each row is enough."""
    # Of all rows, since to pick some would copy their vectors.
    found = background.of_rows(items.rows.vectors)
    found[~primary] = np.nan
    return found


def background_rows(keys: np.ndarray, ids: pa.Array, vectors: np.ndarray) -> pa.Table:
    """Return rows of the table neighbour_background, in order of note_id."""
    return pa.table({"item_key": keys, "note_id": ids, "vector": to_array(vectors)}).sort_by("note_id")


def read_items(batches: list[pa.RecordBatch], task: JoinTask) -> tuple[Items, np.ndarray]:
    """Return rows in order of key, so that lists do not depend on how rows came, and a mask (n,): whose primary cell this is.

    Empties `batches`: each is dropped once it is copied.
    """
    table = pa.Table.from_batches([batch.drop_columns(["vector"]) for batch in batches]).combine_chunks()
    order = np.argsort(table["item_key"].to_numpy(), kind="stable")
    table = table.take(pa.array(order)).combine_chunks()
    # Batches are copied one by one to where their rows belong, so that all vectors are never in memory twice.
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    vectors = np.empty((len(order), task.width), np.float32)
    start = 0
    batches.reverse()
    while batches:
        column = batches.pop().column("vector")
        vectors[place[start : start + len(column)]] = as_matrix(column, task.width)
        start += len(column)
    attributes = {name: np.array(table[name].to_pylist(), dtype=object) for name in task.attributes}
    items = Items(table["item_key"].to_numpy(), table["note_id"].combine_chunks(), Rows(vectors, attributes))
    if "primary" in table.schema.names:
        return items, np.asarray(table["primary"])
    return items, np.ones(len(order), bool)
