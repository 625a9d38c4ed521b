"""The exact neighbours that rules allow a sample of notes, among the rows of all cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, pack
from udfs.neighbours.cell_rows import CellFiles, Items, StoredCell, cell_numbers
from uninote.neighbours.lists import Lists
from uninote.neighbours.rules import Rows, Rule, allowed_pairs
from uninote.neighbours.truth import ExactSearch
from uninote.vectors.kmeans import compute_in_one_thread

ALLOWED = ("table", "item_key", "neighbour_keys", "scores")  # keys int64, scores float32, as bytes
_BLOCK_ROWS = 1 << 14  # that are compared at once


def make_allowed_neighbours(
    rules: Mapping[str, Rule], cells: Callable[[], Mapping[int, CellFiles]], sample: Callable[[], Items], k: int
) -> ArrowMap:
    """Map the numbers of cells to ALLOWED: of a cell's rows, the best `k` that each rule allows each item of the `sample`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        for number in cell_numbers(batches):
            cell = StoredCell(cells()[number])
            if not len(cell.keys):
                continue
            for name, found in _search(cell, rules, sample(), k).items():
                yield _as_batch(name, sample().keys, found)

    return run


def _as_batch(table: str, keys: np.ndarray, found: Lists) -> pa.RecordBatch:
    """Return ALLOWED of the lists `found`, (n, k), of `keys` (n,)."""
    starts = np.arange(len(keys) + 1) * found.ids.shape[1]
    columns = [
        pa.array([table] * len(keys), pa.string()),
        pa.array(keys),
        pack(found.ids.reshape(-1), starts),
        pack(found.scores.reshape(-1), starts),
    ]
    return pa.RecordBatch.from_arrays(columns, names=[*ALLOWED])


def _search(cell: StoredCell, rules: Mapping[str, Rule], sample: Items, k: int) -> dict[str, Lists]:
    """Return the best `k` of a cell's rows by table; the rows are read once, for all rules."""
    queries = sample.rows.vectors
    searches = {}
    for name, rule in rules.items():
        most = np.inf if rule.max_score is None else rule.max_score
        searches[name] = ExactSearch(queries, sample.keys, k, most)
    places = np.arange(len(cell.keys))
    attributes = cell.read_attributes(places, sorted({name for rule in rules.values() for name in rule.attributes}))
    for block in np.split(places, range(_BLOCK_ROWS, len(places), _BLOCK_ROWS)):
        vectors = np.empty((len(block), queries.shape[1]), np.float32)
        cell.read_vectors(block, vectors)
        rows = Rows(vectors, {name: values[block] for name, values in attributes.items()})
        for name, rule in rules.items():
            searches[name].offer(cell.keys[block], vectors, allowed_pairs(rule, sample.rows, rows))
    return {name: _at_least(rules[name].min_score, search.found()) for name, search in searches.items()}


def _at_least(least: float | None, lists: Lists) -> Lists:
    """Return lists without the entries of less than `least`, if there is such a limit."""
    if least is None:
        return lists
    low = lists.scores < least
    return Lists(np.where(low, -1, lists.ids), np.where(low, np.float32(-np.inf), lists.scores))
