"""The exact neighbours that rules allow a sample of notes: among all rows where a task has them, or those of each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, from_bytes, pack, to_bytes
from udfs.neighbours.cell_rows import CellFiles, Items, StoredCell, cell_numbers
from udfs.neighbours.files import TRUTH, file_record, with_table
from uninote.lake.parquet_files import read_columns, write_file
from uninote.neighbours.by_rule.rules import Rows, Rule, pairing_of
from uninote.neighbours.results.lists import Lists
from uninote.neighbours.truth import ExactSearch
from uninote.vectors.kmeans import compute_in_one_thread

ALLOWED = ("table", "item_key", "neighbour_keys", "scores")  # keys int64, scores float32, as bytes
_BLOCK_ROWS = 1 << 14  # that are compared at once


@dataclass(frozen=True)
class Sampled:
    """The notes whose exact lists of `k` are asked for: `keys` int64 ascending; and the `folder` these go to."""

    keys: np.ndarray
    k: int
    folder: str


def write_truths(items: Items, rules: Mapping[str, Rule], sampled: Sampled) -> Iterator[pa.RecordBatch]:
    """Write what the sampled ones of all `items` should find, by table; yield FILE_RECORDs with the table's name first.

    That is the best of everything for tables without rules, which share a file, under the first one's name.
    """
    places = np.flatnonzero(np.isin(items.keys, sampled.keys))
    sample = items.take(places[np.argsort(items.keys[places])])
    is_plain_done = False
    for name, rule in rules.items():
        if rule.plain and is_plain_done:
            continue
        is_plain_done |= rule.plain
        most = np.inf if rule.max_score is None else rule.max_score
        search = ExactSearch(sample.rows.vectors, sample.keys, sampled.k, most)
        search.offer(items.keys, items.rows.vectors, pairing_of(rule, sample.rows, items.rows))
        found = search.found() if rule.plain else at_least(rule.min_score, search.found())
        columns = {
            "item_key": pa.array(sample.keys),
            "neighbour_keys": to_bytes(found.ids),
            "scores": to_bytes(found.scores),
        }
        if len(sample.keys):
            yield from with_table(name, iter([file_record(TRUTH, write_file(pa.table(columns), sampled.folder))]))


def read_truth(path: str, k: int) -> tuple[np.ndarray, Lists]:
    """Return (keys int64 (m,), their lists of `k`, whose ids are keys), as `write_truths` wrote them."""
    table = read_columns(path, ["item_key", "neighbour_keys", "scores"]).combine_chunks()
    ids = from_bytes(table["neighbour_keys"].combine_chunks(), k, np.int64)
    return table["item_key"].to_numpy(), Lists(ids, from_bytes(table["scores"].combine_chunks(), k))


def at_least(least: float | None, lists: Lists) -> Lists:
    """Return lists without the entries of less than `least`, if there is such a limit."""
    if least is None:
        return lists
    low = lists.scores < least
    return Lists(np.where(low, -1, lists.ids), np.where(low, np.float32(-np.inf), lists.scores))


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
            searches[name].offer(cell.keys[block], vectors, pairing_of(rule, sample.rows, rows))
    return {name: at_least(rules[name].min_score, search.found()) for name, search in searches.items()}
