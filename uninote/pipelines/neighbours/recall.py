"""Recall of the neighbour lists, measured on a sample of notes against exact search through the whole corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql.types import BinaryType, LongType, StructField, StructType

from udfs.table_files import as_read, make_reader
from uninote.lake.delta_files import files_of
from uninote.pipelines.lake.stored_vectors import StoredVectors, Survey, scan_files
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.runtime.progress import say

AT_K = "recall_at_k"
SAMPLE = "recall_sample"


def width_metric(width: int) -> str:
    """Return the ledger's name for the share of the widest width's exact neighbours that `width` finds."""
    return f"recall_w{width}"


@dataclass(frozen=True)
class Truth:
    """The exact neighbours of a sample: `keys` int64 (m,), `found` int64 and `scores` (m, K), -1 and -inf padded."""

    keys: np.ndarray
    found: np.ndarray
    scores: np.ndarray


def sample_truth(vectors: StoredVectors, survey: Survey, k: int) -> Truth:
    """Return the exact neighbours of a survey's sample, by comparing it with all."""
    say(f"neighbours: exact neighbours of {len(survey.keys):,} notes, to measure recall by")
    return Truth(survey.keys, *vectors.exact(survey.keys, survey.vectors, k))


def measure_recall(join: Join, truth: Truth) -> dict[str, float]:
    """Return recall@K of the stored lists, and how well exact search at each width does, for the ledger."""
    run, keys, snapshot = join.run, truth.keys, join.vectors.snapshot
    k, widest = run.config.neighbours.k, snapshot.widths[0]
    stored = {one: join.vectors if one == join.width else StoredVectors(run, snapshot, one) for one in snapshot.widths}
    exact = {
        one: (truth.found, truth.scores) if one == join.width else vectors.exact(*vectors.pick(keys), k)
        for one, vectors in stored.items()
    }
    metrics = {
        SAMPLE: float(len(keys)),
        AT_K: join.vectors.recall(keys, listed(join, "neighbours", keys), exact[join.width]),
    }
    for one in snapshot.widths:
        metrics[width_metric(one)] = 1.0 if one == widest else stored[widest].recall(keys, exact[one][0], exact[widest])
    return metrics


def listed(join: Join, name: str, keys: np.ndarray) -> np.ndarray:
    """Return the stored neighbours of `keys`, ascending, (len(keys), K), -1 padded; of one table."""
    k, files = join.run.config.neighbours.k, files_of(join.state_uri(name))
    wanted = join.run.spark.sparkContext.broadcast(keys)
    read = make_reader(["item_key", "neighbour_keys"], lambda: wanted.value)
    schema = StructType([StructField("item_key", LongType()), StructField("neighbour_keys", BinaryType())])
    rows = scan_files(join.run, files, read, as_read, schema)
    lists = np.full((len(keys), k), -1, np.int64)  # a note that the join lost counts as having found nothing
    for row in rows.collect():
        found = np.frombuffer(row["neighbour_keys"], np.int64)[:k]
        lists[np.searchsorted(keys, row["item_key"]), : len(found)] = found
    return lists
