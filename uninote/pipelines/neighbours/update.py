"""An update of the lists of the last run: changed notes are joined with those near them, both ways; deleted ones taken out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from udfs.neighbours.cells import UpdateCells, make_replicas
from udfs.neighbours.files import PARTIAL, STATE
from udfs.neighbours.limits import StoredLimits, make_limit_files
from udfs.neighbours.update import CellStore, make_update_join
from udfs.table_files import make_reader
from uninote.errors import UninoteError
from uninote.lake.change_feed import MOST_CHANGED
from uninote.lake.delta_files import present_files
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import NEIGHBOUR_CELLS
from uninote.neighbours.background import Background
from uninote.neighbours.planning.costs import PASS_S, SEARCH_S
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.neighbours.changes import rows_to_join
from uninote.pipelines.neighbours.decision import ChangedNotes, LastRun
from uninote.pipelines.neighbours.output.cell_rows import (
    CellRows,
    Cells,
    cell_folders,
    load_background,
    load_cells,
    open_cell_rows,
)
from uninote.pipelines.neighbours.output.files import (
    FILE_RECORDS,
    JoinResult,
    Rewrite,
    WrittenFile,
    collect_files,
    make_partial_sink,
    of_kind,
    rewrite,
)
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.neighbours.planning.plan import kernel_recall
from uninote.pipelines.runtime.progress import say, watched


class LostListsError(UninoteError):
    """An update did not come to one list for each note; its message says which table, and all notes are joined again."""


@dataclass(frozen=True)
class StoredLists:
    """A table's lists before the update: their `files`, those of their `limits`, and the keys of those too `short`."""

    files: list[DataFile]
    limits: tuple[str, ...]
    short: np.ndarray


@dataclass(frozen=True)
class UpdateBase:
    """What an update starts from, as the last run left it: the cells and the background of the last full join, and the rows."""

    cells: Cells
    rows: CellRows
    background: Background


def open_base(join: Join, last: LastRun) -> UpdateBase:
    """Return what an update starts from. Raises MissingFilesError, DamagedFileError."""
    cells = load_cells(join, last.outputs[NEIGHBOUR_CELLS.name])
    background = load_background(join, last.outputs[join.background_spec.name])
    return UpdateBase(cells, open_cell_rows(join, len(cells.centroids), last.outputs), background)


def update_lists(join: Join, last: LastRun, notes: ChangedNotes) -> JoinResult:
    """Update the lists of the last run by the `notes` that changed since.

    Raises MissingFilesError and DamagedFileError where files are not as they were left, LostListsError where lists are lost
    or doubled.
    """
    started = time.monotonic()
    base = open_base(join, last)
    changed = notes.keys
    stored = _stored_lists(join, last, changed)
    passed = time.monotonic()
    keys = _keys_to_join(stored, notes)
    say(f"neighbours: {len(keys):,} of {join.rows:,} lists are made anew")
    with rows_to_join(join, base.rows, last.inputs, keys) as rows:
        partial = join_changed_rows(join, base, rows, stored, changed)
    searched = time.monotonic()
    files = merge_updates(join, Rewrite(partial, base.background.keys, removed=changed), stored)
    passes = passed - started + time.monotonic() - searched
    cells = base.cells
    counts = {"cells": len(cells.centroids), "overlap": cells.overlap, "joined": len(keys), "changed": len(changed)}
    seconds = {SEARCH_S: searched - passed, PASS_S: passes}
    return JoinResult(counts, files, base.background.keys, added_to=last.outputs, seconds=seconds)


def _stored_lists(join: Join, last: LastRun, changed: np.ndarray) -> dict[str, StoredLists]:
    """Return the lists of unchanged notes, by table, as they are without neighbours that changed."""
    shared = join.run.spark.sparkContext.broadcast(changed)
    stored = {}
    for name in join.rules:
        files = present_files(join.state_uri(name), last.outputs[join.state(name).name])
        stored[name] = _read_limits(join, files, lambda: shared.value, join.candidates(name))
    shared.destroy()
    return stored


def _read_limits(join: Join, files: list[DataFile], removed: Callable[[], np.ndarray], least: int) -> StoredLists:
    """Have tasks write what limits a table's lists, in `files`, set to new neighbours; those below `least` are too short.

    Raises LostListsError where more than MOST_CHANGED lists have to be made anew.
    """
    schema = StructType([StructField("path", StringType()), StructField("short", BinaryType())])
    read = make_reader(("item_key", "neighbour_keys", "scores", "whole"))
    make = make_limit_files(removed, least, f"{join.staging_uri}/limits")
    paths = []
    short = [np.empty(0, np.int64)]
    for row in FileRows(join.run, files, read).scan(make, schema).collect():
        paths.append(row["path"])
        short.append(np.frombuffer(row["short"], np.int64))
    count = sum(map(len, short))
    if count > MOST_CHANGED:
        raise LostListsError(f"{count:,} lists have become too short, more than the {MOST_CHANGED:,} of an update")
    return StoredLists(files, tuple(paths), np.sort(np.concatenate(short)))


def _keys_to_join(stored: Mapping[str, StoredLists], notes: ChangedNotes) -> np.ndarray:
    """Return int64 ascending: the changed notes that are there now, and those whose lists have become too short."""
    short = np.concatenate([lists.short for lists in stored.values()])
    return np.union1d(np.setdiff1d(notes.keys, notes.deleted), short)


def join_changed_rows(
    join: Join, base: UpdateBase, rows: DataFrame, stored: Mapping[str, StoredLists], changed: np.ndarray
) -> list[WrittenFile]:
    """Join `rows` with all others, in the cells that they are sent to; returns the partial lists that come of it.

    Those rows are shuffled, a copy for each cell; the cells' own rows are not moved.
    """
    context = join.run.spark.sparkContext
    before = StoredLimits(changed, {name: lists.limits for name, lists in stored.items()})
    store = CellStore(base.rows.updates + 1, base.rows.files, cell_folders(join), to_arrow_type(join.run.note_id))
    shared = context.broadcast((before, store))
    centroids = context.broadcast(base.cells.centroids)
    replicas = make_replicas(UpdateCells(lambda: centroids.value, _nearest_cells(join, base.cells)))
    moved = join.with_attributes(rows).mapInArrow(replicas, join.replica_schema)
    # By id, not by hash: a partition is a cell.
    count = len(base.rows.files)
    by_cell = moved.union(_cell_numbers(join, count)).repartitionById(count, F.col("cell"))
    task = join.task(kernel_recall(join.run.config.neighbours), count, base.background)
    with watched(context, "neighbours: changed notes, against rows", join.rows) as done:
        make = make_update_join(
            task, lambda: shared.value[0].read(), lambda: shared.value[1], make_partial_sink(join), done.add
        )
        written = collect_files(by_cell.mapInArrow(make, FILE_RECORDS))
    shared.destroy()
    centroids.destroy()
    return written


def _nearest_cells(join: Join, cells: Cells) -> int:
    """Return to how many of its nearest cells a changed row is sent, beside its primary one."""
    nearest = cells.nearest
    if not all(rule.plain for rule in join.rules.values()):
        # The number was measured on the nearest notes; those that a rule allows may be further off.
        nearest = max(nearest, 2 * cells.overlap)
    return min(nearest, len(cells.centroids))


def _cell_numbers(join: Join, cells: int) -> DataFrame:
    """Return a row for each cell that has nothing but its number.

    A cell that no row is sent to must still lose its deleted rows. Spark would skip its task: it drops what comes after an
    empty shuffle.
    """
    columns = join.replica_schema.fields[:-2]
    nothing = [F.lit(None).cast(field.dataType).alias(field.name) for field in columns]
    cell = F.col("id").cast("int").alias("cell")
    return join.run.spark.range(cells).select(*nothing, cell, F.lit(False).alias("primary"))


def merge_updates(join: Join, wanted: Rewrite, stored: Mapping[str, StoredLists]) -> list[WrittenFile]:
    """Merge partial lists with the `stored` ones. Raises LostListsError where that loses a list, or has one twice."""
    files = [one for one in wanted.partial if one.kind != PARTIAL]
    for name, lists in stored.items():
        merged = rewrite(join, name, replace(wanted, old=lists.files))
        found = sum(file.rows for file in of_kind(merged, name, STATE))
        if found != join.rows:
            raise LostListsError(f"{name} came to {found:,} lists for {join.rows:,} notes")
        files += merged
    return files
