"""The join of all notes with each other."""

from __future__ import annotations

import time

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.neighbours.cells import FullJoinCells, make_replicas
from udfs.neighbours.files import PARTIAL
from udfs.neighbours.full_join import OwnBackground, make_cell_join
from uninote.neighbours.background import Background
from uninote.neighbours.planning.costs import JOIN_S
from uninote.pipelines.neighbours.output.cell_rows import background_uri, cell_folders, save_background, save_cells
from uninote.pipelines.neighbours.output.files import (
    FILE_RECORDS,
    JoinResult,
    Rewrite,
    WrittenFile,
    collect_files,
    make_partial_sink,
    make_sink,
    rewrite,
)
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.neighbours.planning.plan import JoinPlan, plan_join
from uninote.pipelines.runtime.progress import watched


def join_all(join: Join) -> JoinResult:
    """Make the lists of every table from all rows."""
    plan = plan_join(join.run.config.neighbours, join.vectors, join.rows, join.width, lambda: join.scanned_truth)
    # Planning apart: most of it are the sample's exact neighbours, which an update finds as well, to measure recall by.
    started = time.monotonic()
    files = _in_one_cell(join, plan) if len(plan.centroids) == 1 else _in_cells(join, plan)
    save_cells(join, plan)
    seconds = {JOIN_S: time.monotonic() - started}
    return JoinResult(plan.counts() | {"joined": join.rows}, files, join.background_keys, seconds=seconds)


def _in_one_cell(join: Join, plan: JoinPlan) -> list[WrittenFile]:
    """Join all rows in one task, which writes final lists: nothing is shuffled or merged."""
    with watched(join.run.spark.sparkContext, "neighbours: rows joined", join.rows) as done:
        task = join.task(plan.recall, 1, OwnBackground(join.background_keys, background_uri(join)))
        make = make_cell_join(task, make_sink(join), cell_folders(join).write_cell, done.add)
        return collect_files(join.scan(make, FILE_RECORDS, parts=1))


def _in_cells(join: Join, plan: JoinPlan) -> list[WrittenFile]:
    """Join each cell in a task of its own, and merge the lists of each row."""
    # Partial lists are files between join and merge: a task that is lost repeats one cell, and the merge repeats none.
    with watched(join.run.spark.sparkContext, "neighbours: rows joined", join.rows * plan.overlap) as done:
        background = Background.of(join.background_keys, join.vectors_of(join.background_keys))
        task = join.task(plan.recall, len(plan.centroids), background)
        folders = cell_folders(join)
        make = make_cell_join(task, make_partial_sink(join), folders.write_cell, done.add)
        partial = collect_files(_by_cell(join, plan).mapInArrow(make, FILE_RECORDS))
    files = [one for one in partial if one.kind != PARTIAL]
    for name in join.rules:
        files += rewrite(join, name, Rewrite(partial, join.background_keys))
    return [*files, save_background(join)]


def _by_cell(join: Join, plan: JoinPlan) -> DataFrame:
    """Return all rows in their cells, one cell a partition."""
    shared = join.run.spark.sparkContext.broadcast(plan.centroids)
    replicas = join.scan(make_replicas(FullJoinCells(lambda: shared.value, plan.overlap)), join.replica_schema)
    # By id: hashing would put two cells into one partition, which then takes twice the memory.
    return replicas.repartitionById(len(plan.centroids), F.col("cell"))
