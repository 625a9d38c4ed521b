"""Recall of the neighbour lists, measured on a sample of notes against exact search through the whole corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, LongType, StructField, StructType

from udfs.arrow_vectors import to_matrix
from udfs.neighbours import make_exact
from uninote.neighbours.exact import exact_scores
from uninote.neighbours.merge import merge_topk
from uninote.neighbours.recall import tie_aware_recall
from uninote.pipelines import tables
from uninote.pipelines.progress import say
from uninote.pipelines.run import Run
from uninote.pipelines.sampling import collect_vectors, of_keys, sample_vectors
from uninote.pipelines.snapshot import Snapshot
from uninote.schemas import neighbour_state_table

_LISTS = StructType(
    [
        StructField("item_key", LongType()),
        StructField("neighbour_keys", ArrayType(LongType(), False)),
        StructField("scores", ArrayType(FloatType(), False)),
    ]
)
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


def sample_truth(run: Run, vectors: DataFrame, rows: int) -> Truth:
    """Return the exact neighbours of `neighbours.recall_sample` rows, by comparing them with all."""
    settings = run.config.neighbours
    keys, _ = sample_vectors(vectors, rows, settings.recall_sample, settings.seed)
    say(f"neighbours: exact neighbours of {len(keys):,} notes, to measure recall by")
    return Truth(keys, *exact_neighbours(run, vectors, keys, settings.k))


def measure_recall(run: Run, snapshot: Snapshot, width: int, truth: Truth) -> dict[str, float]:
    """Return recall@K of the stored lists at `width`, and how well exact search at each width does, for the ledger."""
    k, keys = run.config.neighbours.k, truth.keys
    exact = {
        one: (truth.found, truth.scores) if one == width else exact_neighbours(run, snapshot.vectors(one), keys, k)
        for one in {width, *snapshot.widths}
    }
    listed = _listed(run, keys)
    metrics = {SAMPLE: float(len(keys)), AT_K: recall_of(snapshot.vectors(width), keys, listed, exact[width][1])}
    widest = snapshot.widths[0]
    for one in snapshot.widths:
        found = exact[one][0]
        metrics[width_metric(one)] = recall_of(snapshot.vectors(widest), keys, found, exact[widest][1])
    return metrics


def exact_neighbours(run: Run, vectors: DataFrame, keys: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the true (keys, scores) of the rows `keys`, each (len(keys), k), best first, -1 and -inf padded."""
    queries = run.spark.sparkContext.broadcast(collect_vectors(of_keys(vectors, keys)))
    found = vectors.select("item_key", "vector").mapInArrow(make_exact(lambda: queries.value, k), _LISTS)
    # Each task answers every query once: after sorting, a query's lists stand side by side.
    by_query = found.orderBy("item_key").toArrow()
    partial_keys, partial_scores = (
        to_matrix(by_query[name].combine_chunks()).reshape(len(keys), -1) for name in ("neighbour_keys", "scores")
    )
    queries.destroy()
    return merge_topk(partial_keys, partial_scores, k)


def _listed(run: Run, keys: np.ndarray) -> np.ndarray:
    """Return the stored neighbours of `keys`, (len(keys), K), -1 padded."""
    k = run.config.neighbours.k
    state = tables.read_table(run.spark, run.generation.uri(neighbour_state_table(run.note_id, "neighbours").name))
    rows = of_keys(state, keys).select("item_key", F.slice("neighbour_keys", 1, k).alias("found")).collect()
    by_key = {row["item_key"]: row["found"] for row in rows}
    listed = np.full((len(keys), k), -1, np.int64)
    for position, key in enumerate(keys):
        found = by_key.get(int(key), [])  # a note that the join lost counts as having found nothing
        listed[position, : len(found)] = found
    return listed


def recall_of(vectors: DataFrame, keys: np.ndarray, found: np.ndarray, best: np.ndarray) -> float:
    """Return the tie-aware recall of `found`, int64 (len(keys), any), -1 where there is none.

    What was found is scored from the stored vectors, never by the word of whoever found it.
    """
    known, matrix = collect_vectors(of_keys(vectors, np.concatenate([keys, found[found >= 0]])))
    scores = exact_scores(matrix[np.searchsorted(known, keys)], iter([(known, matrix)]), found)
    return tie_aware_recall(scores, best, best.shape[1])
