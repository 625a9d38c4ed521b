"""A night's changes to the lists: changed notes joined with all others, in both directions; what went taken out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from udfs.arrow_vectors import to_matrix
from udfs.neighbour_lists import make_prune
from udfs.neighbours import Changed, make_changed_join
from uninote.neighbours.cells import assign_cells
from uninote.neighbours.rules import Rows
from uninote.pipelines import tables
from uninote.pipelines.changed_items import find_changed
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.progress import say, watched

_DRIVER_ROWS = 200_000_000  # past it the limits of all lists do not fit into the driver: all is joined again
_DRIVER_BYTES = 1 << 30  # of changed vectors
_EXACT = 1.0


def follow(join: Join, done: Row) -> dict[str, int] | None:
    """Bring the state of every table from what the ledger's entry `done` left to now; None where all must be joined."""
    settings = join.run.config.neighbours
    changed = find_changed(join.run, ("note",), done["inputs"]["items"], join.versions["items"])
    if changed is None or join.rows > _DRIVER_ROWS:
        return None
    went = _sorted_keys(changed.keys)
    changed.keys.unpersist()
    if len(went) > settings.full_share * join.rows:
        say(f"neighbours: {len(went):,} of {join.rows:,} notes changed; joining all of them")
        return None
    pruned = {name: _pruned(join, name, went, done["outputs"]) for name in settings.rules}
    looked = {name: _look(lists, settings.k) for name, lists in pruned.items()}
    made_anew = np.unique(np.concatenate([went, *(short for short, _ in looked.values())]))
    few = _read_few(join, made_anew)
    if few.nbytes > _DRIVER_BYTES:
        return None
    centroids, overlap = join.load_cells(done["outputs"]["neighbour_cells"])
    say(f"neighbours: {len(went):,} notes changed; {len(few):,} lists are made anew, against {join.rows:,} notes")
    limits = {name: found for name, (_, found) in looked.items()}
    _stage(join, _changed(join, few, limits, centroids, overlap), centroids, overlap)
    for name, lists in pruned.items():
        _write(join, name, lists, few)
    tables.remove(join.run.spark, join.staging_uri)
    for lists in pruned.values():
        lists.unpersist()
    return {"cells": len(centroids), "overlap": overlap, "joined": len(few), "changed": len(went)}


def _pruned(join: Join, name: str, went: np.ndarray, outputs: dict[str, int]) -> DataFrame:
    """Return the lists of notes that did not change, persisted, without neighbours that did."""
    spark = join.run.spark
    state = tables.read_table(spark, join.state_uri(name), outputs[join.state(name).name])
    gone = spark.createDataFrame(pa.table({"item_key": went}))
    shared = spark.sparkContext.broadcast(went)
    rest = state.join(F.broadcast(gone), "item_key", "left_anti").select(*join.lists.names)
    return rest.mapInArrow(make_prune(lambda: shared.value), join.lists).persist()


def _look(lists: DataFrame, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64 of the lists with fewer than `k` left though more qualify, float32 limits by item_key).

    A pruned list knows nothing of what comes after its last entry, so only better ones may enter; a whole list takes any.
    """
    last = F.when(F.col("whole") | (F.size("scores") == 0), float("-inf")).otherwise(F.element_at("scores", -1))
    short = ~F.col("whole") & (F.size("scores") < k)
    found = lists.select("item_key", last.cast("float").alias("limit"), short.alias("short")).toArrow()
    keys = found["item_key"].to_numpy()
    limits = np.full(int(keys.max(initial=-1)) + 1, -np.inf, dtype=np.float32)
    limits[keys] = found["limit"].to_numpy()
    return np.sort(keys[found["short"].to_numpy(zero_copy_only=False).astype(bool)]), limits


def _read_few(join: Join, keys: np.ndarray) -> pa.Table:
    """Return the note_rows of those of `keys` that are there, in order of key."""
    wanted = join.run.spark.createDataFrame(pa.table({"item_key": keys}))
    found = join.note_rows.join(F.broadcast(wanted), "item_key", "left_semi").toArrow()
    return found.sort_by("item_key").combine_chunks()


def _changed(join: Join, few: pa.Table, limits: dict[str, np.ndarray], centroids: np.ndarray, overlap: int) -> Changed:
    vectors = np.concatenate([np.empty((0, join.width), np.float32), *map(to_matrix, few["vector"].chunks)])
    keys = few["item_key"].to_numpy()
    attributes = {name: np.array(few[name].to_pylist(), dtype=object) for name in join.task(_EXACT).attributes}
    cells = assign_cells(vectors, centroids, overlap, keys) if len(keys) else np.empty((0, 1), np.int32)
    ids = pa.concat_arrays(few["note_id"].chunks) if len(few) else pa.array([], few.schema.field("note_id").type)
    return Changed(keys, ids, Rows(vectors, attributes), cells, limits)


def _stage(join: Join, changed: Changed, centroids: np.ndarray, overlap: int) -> None:
    context = join.run.spark.sparkContext
    few, cells = context.broadcast(changed), context.broadcast(centroids)
    rows = join.note_rows
    with watched(context, "neighbours: changed notes, against rows", join.rows) as done:
        make = make_changed_join(join.task(_EXACT), lambda: few.value, lambda: cells.value, overlap, done.add)
        rows.mapInArrow(make, join.staged).write.mode("overwrite").partitionBy("table").parquet(join.staging_uri)


def _write(join: Join, name: str, pruned: DataFrame, few: pa.Table) -> None:
    """Merge old lists with what the night found; lists that nothing came to are written as they are."""
    staged = join.run.spark.read.schema(join.staged).parquet(join.staging_uri)
    found = staged.where(F.col("table") == name).drop("table")
    owners = join.run.spark.createDataFrame(few.select(["item_key", "note_id"]))
    columns = {field.name: F.array().cast(field.dataType) for field in join.lists if field.name not in owners.columns}
    # Whoever is made anew has a list, be it empty.
    empty = owners.withColumns(columns | {"whole": F.lit(True)}).select(*join.lists.names)
    fresh = found.unionByName(empty)
    touched = fresh.select("item_key").distinct()
    merged = join.merged(pruned.join(touched, "item_key", "left_semi").unionByName(fresh))
    lists = pruned.join(touched, "item_key", "left_anti").unionByName(merged)
    tables.overwrite(lists, join.state(name), join.state_uri(name))


def _sorted_keys(rows: DataFrame) -> np.ndarray:
    return np.sort(np.asarray(rows.select("item_key").toArrow()["item_key"].to_numpy()))
