"""The join of all notes with each other."""

from __future__ import annotations

from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, StructField, StructType

from udfs.neighbours import make_cell_join, make_visits
from uninote.pipelines import tables
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.neighbours_plan import JoinPlan, plan_join
from uninote.pipelines.progress import watched
from uninote.pipelines.recall import Truth


def join_all(join: Join, truth: Truth) -> dict[str, int]:
    """Make the state of every table from all rows; returns counts for the ledger."""
    plan = plan_join(join.run.config.neighbours, join.vectors, join.rows, join.width, truth)
    _stage(join, plan)
    staged = join.run.spark.read.schema(join.staged).parquet(join.staging_uri)
    for name in join.run.config.neighbours.rules:
        partial = staged.where(F.col("table") == name).drop("table")
        lists = join.merged(partial) if plan.overlap > 1 else partial.withColumn("whole", F.size("scores") < join.kept)
        tables.overwrite(lists, join.state(name), join.state_uri(name))
    tables.remove(join.run.spark, join.staging_uri)
    join.save_cells(plan.centroids, plan.overlap)
    return plan.counts() | {"joined": join.rows}


def _stage(join: Join, plan: JoinPlan) -> None:
    """Store the lists of every cell: a task that is lost then repeats a cell, and the merge repeats none."""
    context, task = join.run.spark.sparkContext, join.task(plan.recall)
    shared = context.broadcast(plan.centroids)
    rows = join.note_rows
    kinds = {field.name: field.dataType for field in rows.schema} | {"vector": BinaryType(), "cell": IntegerType()}
    visiting = StructType([StructField(name, kind) for name, kind in kinds.items()])
    total = join.rows * plan.overlap
    with watched(context, "neighbours: rows joined", total) as done:
        if len(plan.centroids) > 1:
            visits = rows.mapInArrow(make_visits(lambda: shared.value, plan.overlap), visiting)
            # By id, not by hash: a partition is a cell, no two of them in one.
            by_cell = visits.repartitionById(len(plan.centroids), F.col("cell")).drop("cell")
        else:
            by_cell = rows.coalesce(1)
        lists = by_cell.mapInArrow(make_cell_join(task, done.add), join.staged)
        lists.write.mode("overwrite").partitionBy("table").parquet(join.staging_uri)
    shared.destroy()
