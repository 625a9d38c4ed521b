"""The neighbours stage: the all-pairs join over overlapping cells, and the table that readers want.

Every row goes to its nearest cell and, as a visitor, to the next `overlap - 1`; all pairs of a cell are scored there;
one merge by row makes the lists. Two shuffles, whatever the number of cells.
"""

from __future__ import annotations

import time
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from udfs.neighbours import make_cell_join, make_merge, make_visits
from uninote.config import NeighboursConfig, fingerprint
from uninote.neighbours.cells import CellPlan, assign_cells, fit_cells, plan_cells
from uninote.pipelines import tables
from uninote.pipelines.progress import say, watched
from uninote.pipelines.recall import AT_K, measure_recall
from uninote.pipelines.run import Outcome, Run, last_entry, record
from uninote.pipelines.sampling import sample_vectors
from uninote.pipelines.snapshot import Snapshot, newest_snapshot
from uninote.schemas import NEIGHBOUR_STATE, VECTOR, neighbours_table

STAGE, WHOLE = "neighbours", "all"
ROWS_PER_CENTROID = 256  # k-means gains nothing from more
VISITS = StructType(
    [StructField("cell", IntegerType()), StructField("item_key", LongType()), StructField("vector", VECTOR)]
)


def neighbours(run: Run) -> dict[str, Any]:
    """Make `neighbour_state` and `neighbours` from the newest embeddings, unless they are made from them already."""
    started = time.time()
    settings = run.config.neighbours
    snapshot = newest_snapshot(run)
    width = settings.width or snapshot.widths[0]
    mark = fingerprint(
        settings.model_dump(), snapshot.versions[snapshot.vectors_name(width)], snapshot.versions["items"]
    )
    done = last_entry(run, STAGE, WHOLE)
    made = tables.has_table(run.spark, run.generation.uri("neighbours"))
    if made and done is not None and done["fingerprint"] == mark:
        return _summary(run, done["counts"], done["metrics"]) | {"state": "unchanged"}
    vectors = snapshot.vectors(width).select("item_key", "vector")
    rows = vectors.count()
    _join(run, vectors, plan_cells(rows, settings.cell_rows, settings.overlap))
    _publish(run, snapshot, settings.k)
    metrics = measure_recall(run, snapshot, width, rows)
    _judge(settings, metrics[AT_K])
    counts = {"notes": rows, "k": settings.k, "width": width}
    versions = {name: snapshot.versions[name] for name in ("items", snapshot.vectors_name(width))}
    record(run, STAGE, WHOLE, Outcome("done", counts, versions, metrics=metrics, fingerprint=mark), started)
    return _summary(run, counts, metrics) | {"state": "done"}


def _summary(run: Run, counts: dict[str, int], metrics: dict[str, float]) -> dict[str, Any]:
    names = ("neighbours", NEIGHBOUR_STATE.name)
    return {"tables": {name: run.generation.uri(name) for name in names}, **counts, "recall_at_k": metrics[AT_K]}


def _judge(settings: NeighboursConfig, recall: float) -> None:
    say(f"neighbours: recall@{settings.k} {recall:.4f} on a sample, against exact search")
    if recall < settings.recall_target:
        say(
            f"neighbours: that is below neighbours.recall_target={settings.recall_target}; raise neighbours.overlap "
            f"(now {settings.overlap}) or neighbours.cell_rows (now {settings.cell_rows:,})"
        )


def _join(run: Run, vectors: DataFrame, plan: CellPlan) -> None:
    settings = run.config.neighbours
    kept = settings.k + settings.slack
    _, sample = sample_vectors(vectors, plan.rows, plan.num_cells * ROWS_PER_CENTROID, settings.seed)
    centroids = fit_cells(sample, plan.num_cells, settings.seed)
    visited = assign_cells(sample[:1], centroids, plan.overlap).shape[1]  # fewer where the cells are fewer
    say(f"neighbours: {plan.rows:,} rows in {len(centroids):,} cell(s), each row in {visited}")
    shared = run.spark.sparkContext.broadcast(centroids)
    visits = vectors.mapInArrow(make_visits(lambda: shared.value, visited), VISITS)
    with watched(run.spark.sparkContext, "neighbours: rows joined", plan.rows * visited) as done:
        # By id, not by hash: a partition is a cell, no two of them in one.
        by_cell = visits.repartitionById(len(centroids), F.col("cell")).drop("cell")
        partial = by_cell.mapInArrow(make_cell_join(kept, done.add), NEIGHBOUR_STATE.schema)
        by_row = partial.repartition(F.col("item_key")).sortWithinPartitions("item_key")
        merged = by_row.mapInArrow(make_merge(visited, kept), NEIGHBOUR_STATE.schema)
        tables.overwrite(merged, NEIGHBOUR_STATE, run.generation.uri(NEIGHBOUR_STATE.name))
    shared.destroy()


def _publish(run: Run, snapshot: Snapshot, k: int) -> None:
    """Replace keys by note_ids, and write the table ordered by note_id, so that a look-up opens one file."""
    state = tables.read_table(run.spark, run.generation.uri(NEIGHBOUR_STATE.name))
    items = snapshot.read("items").where("kind = 'note'").select("item_key", "note_id")
    pairs = state.select("item_key", F.posexplode(F.arrays_zip("neighbour_keys", "scores")).alias("rank", "pair"))
    named = pairs.where(F.col("rank") < k).join(
        items.select(F.col("item_key").alias("neighbour_key"), F.col("note_id").alias("neighbour_id")),
        F.col("pair.neighbour_keys") == F.col("neighbour_key"),
    )
    ranked = F.struct("rank", F.col("neighbour_id").alias("note_id"), F.col("pair.scores").alias("score"))
    lists = named.groupBy("item_key").agg(F.array_sort(F.collect_list(ranked)).alias("ranked"))
    neighbour = F.transform(
        "ranked", lambda one: F.struct(one["note_id"].alias("note_id"), one["score"].alias("score"))
    )
    spec = neighbours_table(run.note_id)
    empty = F.array().cast(spec.schema["neighbours"].dataType)
    table = items.join(lists, "item_key", "left").select("note_id", F.coalesce(neighbour, empty).alias("neighbours"))
    sorted_table = table.repartitionByRange(F.col("note_id")).sortWithinPartitions("note_id")
    tables.overwrite(sorted_table, spec, run.generation.uri(spec.name))
