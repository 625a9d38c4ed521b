"""Recall of the neighbour lists, measured on a sample of notes against exact search through all notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from udfs.arrow import from_bytes
from udfs.neighbours.cell_rows import Items
from udfs.neighbours.files import TRUTH
from udfs.neighbours.recall import ALLOWED, make_allowed_neighbours, read_truth
from udfs.table_files import as_read, make_reader
from uninote.evaluation.estimates import AT_K, Estimate, name_of
from uninote.lake.delta_files import files_of
from uninote.neighbours.by_rule.rules import Rows
from uninote.neighbours.results.lists import Lists
from uninote.pipelines.lake.reading.file_rows import FileRows, shared
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.neighbours.output.cell_rows import CellRows
from uninote.pipelines.neighbours.output.files import JoinResult, of_kind
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.neighbours.planning.plan import Truth
from uninote.vectors.top_k import merge_topk

_PLAIN = "neighbours"  # the table without rules
_SAMPLE = "recall_sample"
_OF_TABLE = "of_"  # how the names of recalls in the ledger begin, before the table's or the width
_OF_WIDTH = "w"
_KINDS = (StringType(), LongType(), BinaryType(), BinaryType())
_ALLOWED = StructType(list(map(StructField, ALLOWED, _KINDS)))


@dataclass(frozen=True)
class Recalls:
    """Recall@K of a run's lists on a `sample` of so many notes, ties counted fairly.

    `lists` is that of the table without rules against exact search; `by_rule` that of each table whose rules pass candidates
    over, against the best of all that they allow. `by_width` is the share of the widest width's exact neighbours that exact
    search at each width finds.
    """

    sample: int
    lists: Estimate
    by_rule: Mapping[str, Estimate]
    by_width: Mapping[int, Estimate]

    @property
    def by_table(self) -> dict[str, Estimate]:
        """Recall by the name of the table."""
        return {_PLAIN: self.lists, **self.by_rule}

    def metrics(self) -> dict[str, float]:
        """Return them under the names that the ledger has."""
        metrics = {_SAMPLE: float(self.sample), **self.lists.metrics(AT_K)}
        for width, recall in self.by_width.items():
            metrics |= recall.metrics(f"{_OF_WIDTH}{width}")
        for name, recall in self.by_rule.items():
            metrics |= recall.metrics(f"{_OF_TABLE}{name}")
        return metrics

    @classmethod
    def of(cls, metrics: Mapping[str, float]) -> Recalls:
        """Return those that an entry of the ledger has."""
        by_rule = {}
        by_width = {}
        for metric in metrics:
            of = metric.removeprefix(name_of(""))
            if metric.startswith(name_of(_OF_TABLE)):
                by_rule[of.removeprefix(_OF_TABLE)] = Estimate.of(metrics, of)
            elif metric.startswith(name_of(_OF_WIDTH)):
                by_width[int(of.removeprefix(_OF_WIDTH))] = Estimate.of(metrics, of)
        return cls(int(metrics[_SAMPLE]), Estimate.of(metrics, AT_K), by_rule, by_width)


def found_truths(join: Join, result: JoinResult) -> dict[str, Truth]:
    """Return, by table, the exact neighbours that the join has found of the sample beside its lists.

    The sample is drawn by another pass: what a join knows nothing of is not known, and is found without it.
    """
    truths = {}
    for name in join.rules:
        for file in of_kind(result.files, name, TRUTH):
            keys, lists = read_truth(file.path, join.truth_length)
            if np.array_equal(keys, join.sample.keys):
                truths[name] = Truth(keys, lists)
    return truths


def measure_recall(join: Join, truths: Mapping[str, Truth], cells: CellRows) -> Recalls:
    """Return recall@K of the lists as they are published, and of exact search at each width.

    `truths`, by table, are those that are known; others are found by passes over all vectors.
    """
    truth = truths.get(_PLAIN) or join.scanned_truth
    k = join.run.config.neighbours.k
    lists = join.vectors.recall(truth.keys, listed(join, _PLAIN, truth.keys), truth.lists, k=k, rows=join.rows)
    rules = [name for name, rule in join.rules.items() if not rule.plain]
    known = truths if all(name in truths for name in rules) else _search_by_rules(join, rules, cells)
    by_rule = {}
    for name in rules:
        keys, best = known[name].keys, known[name].lists
        by_rule[name] = join.vectors.recall(keys, listed(join, name, keys), best, k=k, rows=join.rows)
    return Recalls(len(truth.keys), lists, by_rule, _recall_of_widths(join, truth))


def _recall_of_widths(join: Join, truth: Truth) -> dict[int, Estimate]:
    """Return how many of the widest width's exact neighbours each width finds, by exact search."""
    run = join.run
    k = join.run.config.neighbours.k
    snapshot = join.vectors.snapshot
    stored = {}
    exact = {}
    for width in snapshot.widths:
        if width == join.width:
            stored[width] = join.vectors
            exact[width] = truth.lists
        else:
            stored[width] = StoredVectors(run, snapshot, width)
            exact[width] = stored[width].exact(*stored[width].pick(truth.keys), k)
    widest = snapshot.widths[0]
    recalls = {widest: Estimate(1.0, 1.0, 1.0)}
    for width in snapshot.widths[1:]:
        found = exact[width].ids[:, :k]
        recalls[width] = stored[widest].recall(truth.keys, found, exact[widest], k=k, rows=join.rows)
    return recalls


def listed(join: Join, name: str, keys: np.ndarray) -> np.ndarray:
    """Return the stored neighbours of `keys`, ascending, (len(keys), K), -1 padded; of one table."""
    k = join.run.config.neighbours.k
    files = files_of(join.state_uri(name))
    schema = StructType([StructField("item_key", LongType()), StructField("neighbour_keys", BinaryType())])
    with shared(join.run, files, keys) as wanted:
        read = make_reader(["item_key", "neighbour_keys"], wanted)
        rows = FileRows(join.run, files, read).collect(as_read, schema)
    # A note that the join lost counts as having found nothing.
    lists = np.full((len(keys), k), -1, np.int64)
    for row in rows.to_pylist():
        found = np.frombuffer(row["neighbour_keys"], np.int64)[:k]
        lists[np.searchsorted(keys, row["item_key"]), : len(found)] = found
    return lists


def _search_by_rules(join: Join, names: Sequence[str], cells: CellRows) -> dict[str, Truth]:
    """Return what the sample should find in each of these tables, among the rows of all cells.

    Those have vectors and attributes side by side: nothing has to be joined to know who is allowed.
    """
    rules = {name: join.rules[name] for name in names}
    sample = join.sample
    k = join.truth_length
    if not rules or not len(sample.keys):
        nothing = Lists(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        return {name: Truth(sample.keys, nothing) for name in names}
    items = Items(sample.keys, sample.note_ids, Rows(join.sampled_vectors, _attributes(join, sample.note_ids)))
    shared = join.run.spark.sparkContext.broadcast((cells.files, items))
    make = make_allowed_neighbours(rules, lambda: shared.value[0], lambda: shared.value[1], k)
    allowed = cells.scan(make, _ALLOWED).toArrow()
    shared.destroy()
    return {name: Truth(sample.keys, _best_allowed(allowed, name, k)) for name in rules}


def _attributes(join: Join, note_ids: pa.Array) -> dict[str, np.ndarray]:
    """Return object arrays of the attributes that rules look at, of some notes, null where None."""
    if not join.attributes:
        return {}
    found = join.attributes_of(note_ids)
    place = {note_id: number for number, note_id in enumerate(found["note_id"].to_pylist())}
    rows = pa.array([place.get(note_id) for note_id in note_ids.to_pylist()], pa.int64())
    attributes = {}
    for attribute in join.attributes:
        attributes[attribute.name] = np.array(found[attribute.name].take(rows).to_pylist(), dtype=object)
    return attributes


def _best_allowed(allowed: pa.Table, name: str, k: int) -> Lists:
    """Return the best lists of one table, (m, k), whose ids are keys: every cell has answered every note of the sample once."""
    mine = allowed.filter(pc.equal(allowed["table"], name)).sort_by("item_key").combine_chunks()
    notes = len(pc.unique(mine["item_key"]))
    # After sorting, the lists of a note stand side by side: they are one long row.
    keys = from_bytes(mine["neighbour_keys"].combine_chunks(), k, np.int64).reshape(notes, -1)
    scores = from_bytes(mine["scores"].combine_chunks(), k, np.float32).reshape(notes, -1)
    return Lists(*merge_topk(keys, scores, k))
