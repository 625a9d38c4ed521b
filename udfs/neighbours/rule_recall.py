"""The exact neighbours that rules allow a sample of notes, among the rows that full joins and nights keep by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from udfs.arrow import pack
from udfs.neighbours.cell_rows import CellFiles, Items, KeptCell
from udfs.notes.fingerprints import ArrowMap
from uninote.neighbours.rules import Lists, Rows, Rule, barred_pairs
from uninote.neighbours.truth import ExactSearch
from uninote.vectors.kmeans import compute_in_one_thread

TRUTH = ("table", "item_key", "neighbour_keys", "scores")  # keys int64, scores float32, as bytes
_ROWS = 1 << 14  # that are looked through at once


def make_rule_truth(
    rules: Mapping[str, Rule], cells: Callable[[], Mapping[int, CellFiles]], asked: Callable[[], Items], k: int
) -> ArrowMap:
    """Map the numbers of cells to TRUTH: for each of the rows `asked`, the best `k` that each rule allows, of a cell's rows."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            cell = KeptCell(cells()[number])
            for name, (keys, scores) in _search(cell, rules, asked(), k).items() if len(cell.keys) else ():
                starts = np.arange(len(keys) + 1) * k
                lists = pack(keys.reshape(-1), starts), pack(scores.reshape(-1), starts)
                columns = [pa.array([name] * len(keys), pa.string()), pa.array(asked().keys), *lists]
                yield pa.RecordBatch.from_arrays(columns, names=[*TRUTH])

    return run


def _search(cell: KeptCell, rules: Mapping[str, Rule], asked: Items, k: int) -> dict[str, Lists]:
    """Look through the rows once, for all rules."""
    mine, most = (
        asked.rows,
        {name: np.inf if rule.max_score is None else rule.max_score for name, rule in rules.items()},
    )
    searches = {name: ExactSearch(mine.vectors, asked.keys, k, most[name]) for name in rules}
    places = np.arange(len(cell.keys))
    attributes = cell.read_attributes(places, sorted({name for rule in rules.values() for name in rule.attributes}))
    for some in np.split(places, range(_ROWS, len(places), _ROWS)):
        vectors = np.empty((len(some), mine.vectors.shape[1]), np.float32)
        cell.read_vectors(some, vectors)
        rows = Rows(vectors, {name: values[some] for name, values in attributes.items()})
        for name, rule in rules.items():
            searches[name].offer(cell.keys[some], vectors, barred_pairs(rule, mine, rows))
    return {name: _at_least(rules[name].min_score, *search.found()) for name, search in searches.items()}


def _at_least(least: float | None, keys: np.ndarray, scores: np.ndarray) -> Lists:
    low = scores < (-np.inf if least is None else least)
    return np.where(low, -1, keys), np.where(low, np.float32(-np.inf), scores)
