"""An update inside executors: in each cell, the changed rows sent there are joined with the cell's own rows and each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap
from udfs.neighbours.cell_rows import CellFiles, CellFolders, Items, StoredCell
from udfs.neighbours.files import with_table
from udfs.neighbours.full_join import Count, FileRecords, JoinTask, Sink, background_of, read_items
from udfs.neighbours.lists import Entries, Owners, lists_of_pairs, make_lists
from udfs.neighbours.recall import write_truths
from uninote.neighbours.by_rule.changed_rows import Updated, join_by_rule
from uninote.neighbours.by_rule.rules import Rows, Rule
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.results.lists import Pairs
from uninote.neighbours.results.progress import RowsDone, watching
from uninote.neighbours.update.changed_join import ChangedRows
from uninote.neighbours.update.probes import join_probed
from uninote.vectors.key_sets import among
from uninote.vectors.kmeans import compute_in_one_thread


@dataclass(frozen=True)
class ListsBefore:
    """What all tasks of an update know of the lists before it.

    `changed`, int64 ascending, are the keys of notes that changed or were deleted: their rows in the cells are out of date.
    Other rows may be joined too, whose lists have become too short. `limits`, by table, has at each item_key the score that
    a new neighbour must exceed, float32; keys past its end have none.
    """

    changed: np.ndarray
    limits: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class CellStore:
    """The rows of cells: the `number` of the update since the last full join, the `files` by cell, and where changed rows go.

    `id_type` is the type of note_id.
    """

    number: int
    files: Mapping[int, CellFiles]
    folders: CellFolders
    id_type: pa.DataType


def make_update_join(
    task: JoinTask, before: Callable[[], ListsBefore], cells: Callable[[], CellStore], sink: Sink, count: Count
) -> ArrowMap:
    """Map the changed rows sent to a cell, one cell a partition, to FILE_RECORDs with the table's name first.

    A row without a key only names the cell. The files are partial lists of those rows, and of others that such a row is a
    neighbour of: a row gets lists from several cells, and an empty one at least from its primary cell. They are also what
    changed of the cell's own rows. Of a cell that no change concerns only the keys are read.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> FileRecords:
        compute_in_one_thread()
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        number = rows[0].column("cell")[0].as_py()
        cell = StoredCell(cells().files[number])
        sent, primary = _read_sent(rows, task, cells().id_type)
        update = _CellUpdate(task, before(), cell, sent, primary)
        done = RowsDone(len(cell.keys), len(task.rules), count)
        for name, lists in update.lists(done).items():
            yield from with_table(name, sink(name, lists))
        if task.sampled is not None and len(sent.keys):
            yield from write_truths(update.items, task.rules, task.sampled)
        changed = update.changed_rows()
        if changed is not None:
            yield from with_table("", iter([cells().folders.write_rows(number, cells().number, *changed)]))
        done.reach(len(task.rules))

    return run


def _read_sent(rows: Sequence[pa.RecordBatch], task: JoinTask, id_type: pa.DataType) -> tuple[Items, np.ndarray]:
    """Return what `read_items` does, of the rows that have a key: perhaps none."""
    keyed = [batch.filter(pc.is_valid(batch.column("item_key"))) for batch in rows]
    keyed = [batch for batch in keyed if len(batch)]
    if keyed:
        return read_items(keyed, task)
    attributes = {name: np.empty(0, dtype=object) for name in task.attributes}
    nobody = Rows(np.empty((0, task.width), np.float32), attributes)
    return Items(np.empty(0, np.int64), pa.nulls(0, id_type), nobody), np.empty(0, bool)


class _CellUpdate:
    """The join of one cell: the rows `sent` there, bool `primary` (n,) where this is their primary cell, with its own rows.

    Items are numbered: the rows sent come first, then those of the cell's own rows that stay as they are.
    """

    def __init__(self, task: JoinTask, before: ListsBefore, cell: StoredCell, sent: Items, primary: np.ndarray) -> None:
        self._task = task
        self._before = before
        self._cell = cell
        self._sent = sent
        self._primary = primary
        self._outdated = among(cell.keys, before.changed)
        # The leaves of the rows sent, for the rows that the cell gets: a rule that probes leaves fills them in.
        self._leaves = np.empty((len(sent.keys), cell.num_leaves), np.int32)

    def lists(self, done: RowsDone) -> dict[str, Iterator[pa.RecordBatch]]:
        """Join them; returns LISTS by table, none where no row was sent. An empty list of each row comes first.

        The cell's own rows count as `done` by the share of the tables that are joined.
        """
        if not len(self._sent.keys):
            return {}
        items = self.items
        assignments = self._cell.read_assignments(self._own)
        found: dict[str, Iterator[pa.RecordBatch]] = {}
        for table, (name, rule) in enumerate(self._task.rules.items()):
            limits = _limits_of(items.keys, self._before.limits[name])
            limits[: len(self._sent.keys)] = -np.inf  # their lists are made anew, and take anyone
            # Where a rule cuts rows into groups, each has a join of its own, whose share says nothing of the table.
            with nullcontext() if rule.same else watching(done.within(table)):
                pairs = self._pairs(items, rule, limits, assignments)
            done.reach(table + 1)
            lists = lists_of_pairs(items.keys, items.ids, pairs, len(self._sent.keys))
            found[name] = chain([self._empty_lists()], lists)
        return found

    @cached_property
    def items(self) -> Items:
        """The rows sent, then those of the cell that stay as they are."""
        return self._together(self._own)

    @cached_property
    def _own(self) -> np.ndarray:
        """The places of the cell's rows that stay as they are."""
        stays = np.flatnonzero(~self._outdated)
        return stays[~np.isin(self._cell.keys[stays], self._sent.keys)]

    def changed_rows(self) -> tuple[Items, np.ndarray, np.ndarray] | None:
        """Return (items, leaves, deleted) for CellFolders.write_rows; null where the cell's own rows stay as they are.

        Those are the changed rows whose primary cell this is, and the keys that were in it and are not any more.
        """
        places = np.flatnonzero(self._primary & among(self._sent.keys, self._before.changed))
        arrived = self._sent.take(places)
        left = np.setdiff1d(self._cell.keys[self._outdated], arrived.keys)
        if not len(arrived.keys) + len(left):
            return None
        nothing = np.zeros((len(left), self._task.width), np.float32)
        attributes = {}
        for name, values in arrived.rows.attributes.items():
            attributes[name] = np.concatenate([values, np.full(len(left), None)])
        items = Items(
            np.concatenate([arrived.keys, left]),
            pa.concat_arrays([arrived.ids, pa.nulls(len(left), arrived.ids.type)]),
            Rows(np.concatenate([arrived.rows.vectors, nothing]), attributes),
        )
        leaves = np.zeros((len(items.keys), self._cell.num_leaves), np.int32)
        leaves[: len(places)] = self._leaves[places]
        return items, leaves, np.arange(len(items.keys)) >= len(places)

    def _empty_lists(self) -> pa.RecordBatch:
        """Return LISTS without an entry of the rows whose primary cell this is: whoever is joined anew has a list.

        They know the backgrounds of these rows, which those with entries do not.
        """
        mine = self._sent.take(np.flatnonzero(self._primary))
        nothing = Entries(np.empty(0, np.int64), mine.ids[:0], np.empty(0, np.float32))
        count = len(mine.keys)
        background, _ = background_of(self._task, mine)
        owners = Owners(mine.keys, mine.ids, background.of_rows(mine.rows.vectors))
        return make_lists(owners, nothing, np.zeros(count + 1, np.int64), np.ones(count, bool))

    def _together(self, own: np.ndarray) -> Items:
        """Return the rows sent, then those of the cell at the places `own`."""
        if not len(own):
            return self._sent
        count = len(self._sent.keys)
        vectors = np.empty((count + len(own), self._task.width), np.float32)
        vectors[:count] = self._sent.rows.vectors
        self._cell.read_vectors(own, vectors[count:])
        attributes = self._cell.read_attributes(own, self._task.attributes)
        for name, values in attributes.items():
            attributes[name] = np.concatenate([self._sent.rows.attributes[name], values])
        ids = pa.concat_arrays([self._sent.ids, self._cell.read_ids(own)])
        return Items(np.concatenate([self._sent.keys, self._cell.keys[own]]), ids, Rows(vectors, attributes))

    def _pairs(self, items: Items, rule: Rule, limits: np.ndarray, assignments: Sequence[Assignment]) -> Pairs:
        """Return what rows gain by those sent, which look into the leaves nearest to each."""
        count = len(self._sent.keys)
        search = self._task.search.with_candidates(rule.candidates)
        if not rule.plain:
            return join_by_rule(Updated(items.rows, count, limits), rule, search, assignments)
        rows = ChangedRows(items.rows.vectors, count, limits)
        found, leaves = join_probed(rows, search.depth, assignments, recall=search.recall, seed=search.seed)
        self._leaves = np.concatenate([*leaves, np.empty((count, 0), np.int32)], axis=1)
        good = slice(None) if rule.min_score is None else found.scores >= rule.min_score
        return Pairs(found.owners[good], found.others[good], found.scores[good])


def _limits_of(keys: np.ndarray, by_key: np.ndarray) -> np.ndarray:
    """Return float32 (n,): what `by_key` has for each key, -inf past its end."""
    limits = np.full(len(keys), -np.inf, dtype=np.float32)
    known = keys < len(by_key)
    limits[known] = by_key[keys[known]]
    return limits
