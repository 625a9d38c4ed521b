"""The join of all notes with each other."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegerType, StructField, StructType

from udfs.neighbours.cells import Cells, make_visits
from udfs.neighbours.files import PARTIAL
from udfs.neighbours.full_join import make_cell_join
from uninote.pipelines.lake.stored_vectors import with_bytes
from uninote.pipelines.neighbours.cell_rows import folders, save_cells
from uninote.pipelines.neighbours.files import TOLD, Written, collect, make_partial_sink, make_sink, rewrite
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.plan import JoinPlan, plan_join
from uninote.pipelines.neighbours.recall import Truth
from uninote.pipelines.runtime.progress import watched


def join_all(join: Join, truth: Truth) -> tuple[dict[str, int], list[Written]]:
    """Make the lists of every table from all rows; returns counts for the ledger, and the files."""
    plan = plan_join(join.run.config.neighbours, join.vectors, join.rows, join.width, truth)
    with watched(join.run.spark.sparkContext, "neighbours: rows joined", join.rows * plan.overlap) as done:
        if len(plan.centroids) == 1:
            make = make_cell_join(join.task(plan.recall), make_sink(join), folders(join).keep, done.add)
            written = collect(join.scan(make, TOLD, parts=1))
        else:
            # Stored between the join and the merge: a task that is lost repeats a cell, and the merge repeats none.
            partial = collect(_by_cell(join, plan).mapInArrow(
                make_cell_join(join.task(plan.recall), make_partial_sink(join), folders(join).keep, done.add), TOLD
            ))  # fmt: skip
    if len(plan.centroids) > 1:
        nobody = np.empty(0, np.int64)
        rules = join.run.config.neighbours.rules
        written = [one for one in partial if one.kind != PARTIAL]
        written += [file for name in rules for file in rewrite(join, name, partial, [], nobody)]
    save_cells(join, plan)
    return plan.counts() | {"joined": join.rows}, written


def _by_cell(join: Join, plan: JoinPlan) -> DataFrame:
    """Return all rows in their cells, one cell a partition."""
    shared = join.run.spark.sparkContext.broadcast(plan.centroids)
    visits = join.scan(make_visits(Cells(lambda: shared.value, plan.overlap)), visiting(join))
    # By id, not by hash: a partition is a cell, no two of them in one.
    return visits.repartitionById(len(plan.centroids), F.col("cell"))


def visiting(join: Join) -> StructType:
    """Return the columns of rows on their way to cells."""
    where = [StructField("cell", IntegerType()), StructField("home", BooleanType())]
    return StructType([*with_bytes(join.row_schema), *where])
