"""A night's join inside executors: in each cell, the changed rows that visit it, with those at home there and each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.kept_rows import CellFiles, Items, KeptCell, KeptFolders
from udfs.neighbour_lists import among, lists_of, lists_of_pairs
from udfs.neighbours import Count, JoinTask, Sink, Tell, named
from udfs.notes import ArrowMap
from uninote.kmeans import compute_in_one_thread
from uninote.neighbours.changed import join_changed
from uninote.neighbours.partitions import Partition
from uninote.neighbours.probes import join_probed
from uninote.neighbours.rules import Rows, Rule, by_rule


@dataclass(frozen=True)
class Changed:
    """The rows that a night joins with all others, and the keys, int64 ascending, of those whose rows are `stale`.

    `cells` int32 (n, visits) are those that a row visits, `home` int32 (n,) where it is at home; a row that is not stale is
    there already, and only its list is made anew. `limits`, by table, holds at each item_key the score that a new neighbour
    must exceed; keys past its end have none.
    """

    items: Items
    cells: np.ndarray
    home: np.ndarray
    stale: np.ndarray
    limits: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Night:
    """Its `number` since the last full join, the `files` of cells, by number, and where rows that changed are `kept`."""

    number: int
    files: Mapping[int, CellFiles]
    kept: KeptFolders


def make_night_join(
    task: JoinTask, changed: Callable[[], Changed], night: Callable[[], Night], sink: Sink, count: Count
) -> ArrowMap:
    """Map the numbers of cells to WRITTEN: partial lists of changed rows, and of others that such a row is a neighbour of.

    A list of one row comes from several cells. Nothing is shuffled, and a cell that no change concerns is not read.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Tell:
        compute_in_one_thread()
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            cell = KeptCell(night().files[number])
            stays = ~among(cell.keys, changed().stale)
            visit = _Visit(task, changed(), cell, number)
            leaves = np.empty((0, cell.num_leaves), np.int32)
            if len(visit.mine):
                leaves, lists = visit.join(np.flatnonzero(stays))
                for name, found in lists.items():
                    yield from named(name, sink(name, found))
            yield from named("", _changes(visit, leaves, cell.keys[~stays], night()))
            count(len(cell.keys))

    return run


class _Visit:
    """The changed rows `mine`, positions among `few`, that visit one cell."""

    def __init__(self, task: JoinTask, few: Changed, cell: KeptCell, number: int) -> None:
        self.task, self.few, self.cell, self.number = task, few, cell, number
        self.mine = np.flatnonzero((few.cells == number).any(axis=1))

    def join(self, stays: np.ndarray) -> tuple[np.ndarray, dict[str, Iterator[pa.RecordBatch]]]:
        """Join them with each other and the rows of the cell that stay; returns (their leaves, LISTS by table)."""
        first = self.few.items.take(self.mine)
        here = stays[~np.isin(self.cell.keys[stays], first.keys)]
        items, partitions = self._meet(first, here), self.cell.read_partitions(here)
        leaves, lists = np.empty((len(first.keys), self.cell.num_leaves), np.int32), {}
        for name, rule in self.task.rules.items():
            limits = _limits(self.few.limits[name], items.keys)
            limits[: len(first.keys)] = -np.inf
            if rule.plain:
                leaves, lists[name] = self._probe(items, rule, limits, partitions)
            else:
                lists[name] = self._compare(items, rule, limits)
        return leaves, lists

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
        self, items: Items, rule: Rule, limits: np.ndarray, partitions: Sequence[Partition]
    ) -> tuple[np.ndarray, Iterator[pa.RecordBatch]]:
        count, search = len(self.mine), self.task.search
        found, gathered = join_probed(
            items.rows.vectors, count, search.kept, limits, partitions, recall=search.recall, seed=search.seed
        )
        good = slice(None) if rule.min_score is None else found.scores >= rule.min_score
        pairs = found.owners[good], found.others[good], found.scores[good]
        leaves = np.concatenate([*gathered, np.empty((count, 0), np.int32)], axis=1)
        return leaves, lists_of_pairs(items.keys, items.ids, pairs, count)

    def _compare(self, items: Items, rule: Rule, limits: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Compare every pair: whom a rule passes over, leaves cannot tell."""
        count = len(self.mine)

        def join(some: Rows, places: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            return join_changed(some.vectors, int((places < count).sum()), depth, limits[places])

        found = by_rule(items.rows, rule, self.task.search.kept, join, np.arange(count))
        return lists_of(items.keys, items.ids, np.flatnonzero(found[0][:, 0] >= 0), found, count)


def _changes(visit: _Visit, leaves: np.ndarray, left: np.ndarray, night: Night) -> Tell:
    """Write the changed rows that are at home in a cell, and of the keys that `left` which are nowhere in it any more."""
    few, mine = visit.few, visit.mine
    homely = np.flatnonzero((few.home[mine] == visit.number) & among(few.items.keys[mine], few.stale))
    came = few.items.take(mine[homely])
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
    yield night.kept.write_rows(visit.number, night.number, items, places, gone)


def _limits(by_key: np.ndarray, keys: np.ndarray) -> np.ndarray:
    known = keys < len(by_key)
    limits = np.full(len(keys), -np.inf, dtype=np.float32)
    limits[known] = by_key[keys[known]]
    return limits
