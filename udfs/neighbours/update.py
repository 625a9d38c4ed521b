"""A night's join inside executors: in each cell, the changed rows that visit it, with those at home there and each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.neighbours.cell_rows import CellFiles, Items, KeptCell, KeptFolders
from udfs.neighbours.full_join import Count, JoinTask, Sink, Tell, named, read_items
from udfs.neighbours.lists import among, lists_of, lists_of_pairs, make_lists
from udfs.notes.fingerprints import ArrowMap
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.rules import Rows, Rule, by_rule
from uninote.neighbours.update.changed import join_changed
from uninote.neighbours.update.probes import join_probed
from uninote.vectors.kmeans import compute_in_one_thread


@dataclass(frozen=True)
class Changed:
    """What a night knows of all lists: the keys, int64 ascending, of those whose rows are `stale`; and their `limits`.

    Rows that are joined but not stale are in their cells already: only their lists are made anew. `limits`, by table, holds
    at each item_key the score that a new neighbour must exceed; keys past its end have none.
    """

    stale: np.ndarray
    limits: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Night:
    """Its `number` since the last full join, the `files` of cells, by number, and where rows that changed are `kept`.

    `id_type` is the type of note_id.
    """

    number: int
    files: Mapping[int, CellFiles]
    kept: KeptFolders
    id_type: pa.DataType


def make_night_join(
    task: JoinTask, changed: Callable[[], Changed], night: Callable[[], Night], sink: Sink, count: Count
) -> ArrowMap:
    """Map the changed rows that visit a cell, one cell a partition, to WRITTEN. A row without a key only names the cell.

    That is partial lists of those rows, and of others that such a row is a neighbour of. A list of one row comes from several
    cells; who is at home in one has a list from there, be it empty. Of a cell that no change concerns only keys are read.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Tell:
        compute_in_one_thread()
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        number = rows[0].column("cell")[0].as_py()
        held = [kept for kept in (batch.filter(pc.is_valid(batch.column("item_key"))) for batch in rows) if len(kept)]
        cell = KeptCell(night().files[number])
        stays = ~among(cell.keys, changed().stale)
        came, home = read_items(held, task) if held else (_nobody(task, night().id_type), np.empty(0, bool))
        visit = _Visit(task, changed(), cell, came, home)
        leaves = np.empty((0, cell.num_leaves), np.int32)
        if len(home):
            leaves, lists = visit.join(np.flatnonzero(stays))
            for name, found in lists.items():
                yield from named(name, sink(name, chain([visit.empty_lists()], found)))
        yield from named("", _changes(visit, leaves, cell.keys[~stays], number, night()))
        count(len(cell.keys))

    return run


def _nobody(task: JoinTask, id_type: pa.DataType) -> Items:
    attributes = {name: np.empty(0, dtype=object) for name in task.attributes}
    return Items(np.empty(0, np.int64), pa.nulls(0, id_type), Rows(np.empty((0, task.width), np.float32), attributes))


class _Visit:
    """The changed `rows` that visit one cell, and which of them are at `home` there."""

    def __init__(self, task: JoinTask, changed: Changed, cell: KeptCell, rows: Items, home: np.ndarray) -> None:
        self.task, self.changed, self.cell = task, changed, cell
        self.rows, self.home = rows, home

    def join(self, stays: np.ndarray) -> tuple[np.ndarray, dict[str, Iterator[pa.RecordBatch]]]:
        """Join them with each other and the rows of the cell that stay; returns (their leaves, LISTS by table)."""
        first = self.rows
        here = stays[~np.isin(self.cell.keys[stays], first.keys)]
        items, partitions = self._meet(first, here), self.cell.read_assignments(here)
        leaves, lists = np.empty((len(first.keys), self.cell.num_leaves), np.int32), {}
        for name, rule in self.task.rules.items():
            limits = _limits(self.changed.limits[name], items.keys)
            limits[: len(first.keys)] = -np.inf
            if rule.plain:
                leaves, lists[name] = self._probe(items, rule, limits, partitions)
            else:
                lists[name] = self._compare(items, rule, limits)
        return leaves, lists

    def empty_lists(self) -> pa.RecordBatch:
        """Return LISTS without an entry of the rows at home here: whoever is joined anew has a list."""
        mine = self.rows.take(np.flatnonzero(self.home))
        nothing = np.empty(0, np.int64), mine.ids[:0], np.empty(0, np.float32)
        starts = np.zeros(len(mine.keys) + 1, np.int64)
        return make_lists((pa.array(mine.keys), mine.ids), nothing, starts, np.ones(len(mine.keys), bool))

    def _meet(self, first: Items, here: np.ndarray) -> Items:
        """Return the rows `first`, then those of the cell that are `here`."""
        if not len(here):
            return first
        count, names = len(first.keys), self.task.attributes
        vectors = np.empty((count + len(here), self.task.width), np.float32)
        vectors[:count] = first.rows.vectors
        self.cell.read_vectors(here, vectors[count:])
        theirs = self.cell.read_attributes(here, names)
        attributes = {name: np.concatenate([first.rows.attributes[name], theirs[name]]) for name in names}
        ids = pa.concat_arrays([first.ids, self.cell.read_ids(here)])
        return Items(np.concatenate([first.keys, self.cell.keys[here]]), ids, Rows(vectors, attributes))

    def _probe(
        self, items: Items, rule: Rule, limits: np.ndarray, partitions: Sequence[Assignment]
    ) -> tuple[np.ndarray, Iterator[pa.RecordBatch]]:
        count, search = len(self.rows.keys), self.task.search
        found, gathered = join_probed(
            items.rows.vectors, count, search.depth, limits, partitions, recall=search.recall, seed=search.seed
        )
        good = slice(None) if rule.min_score is None else found.scores >= rule.min_score
        pairs = found.owners[good], found.others[good], found.scores[good]
        leaves = np.concatenate([*gathered, np.empty((count, 0), np.int32)], axis=1)
        return leaves, lists_of_pairs(items.keys, items.ids, pairs, count)

    def _compare(self, items: Items, rule: Rule, limits: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Compare every pair: whom a rule passes over, leaves cannot tell."""
        count = len(self.rows.keys)

        def join(some: Rows, places: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            return join_changed(some.vectors, int((places < count).sum()), depth, limits[places])

        found = by_rule(items.rows, rule, self.task.search.depth, join, np.arange(count))
        return lists_of(items.keys, items.ids, np.flatnonzero(found[0][:, 0] >= 0), found, count)


def _changes(visit: _Visit, leaves: np.ndarray, left: np.ndarray, number: int, night: Night) -> Tell:
    """Write the changed rows that are at home in a cell, and of the keys that `left` which are nowhere in it any more."""
    homely = np.flatnonzero(visit.home & among(visit.rows.keys, visit.changed.stale))
    came = visit.rows.take(homely)
    went = np.setdiff1d(left, came.keys)
    if not len(came.keys) + len(went):
        return
    ids = pa.concat_arrays([came.ids, pa.nulls(len(went), came.ids.type)])
    vectors = np.concatenate([came.rows.vectors, np.zeros((len(went), visit.task.width), np.float32)])
    attributes = {
        name: np.concatenate([values, np.full(len(went), None)]) for name, values in came.rows.attributes.items()
    }
    items = Items(np.concatenate([came.keys, went]), ids, Rows(vectors, attributes))
    places = np.zeros((len(items.keys), visit.cell.num_leaves), np.int32)
    places[: len(homely)] = leaves[homely]
    gone = np.arange(len(items.keys)) >= len(homely)
    yield night.kept.write_rows(number, night.number, items, places, gone)


def _limits(by_key: np.ndarray, keys: np.ndarray) -> np.ndarray:
    known = keys < len(by_key)
    limits = np.full(len(keys), -np.inf, dtype=np.float32)
    limits[known] = by_key[keys[known]]
    return limits
