"""A night's changes to the lists: changed notes joined with those near them, both ways; what went taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import BinaryType, StructField, StructType

from udfs.neighbours.cells import NightCells, make_visits
from udfs.neighbours.files import PARTIAL, STATE
from udfs.neighbours.lists import make_look
from udfs.neighbours.update import Changed, Night, make_night_join
from udfs.table_files import make_reader
from uninote.errors import UninoteError
from uninote.lake.delta_files import present_files
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import NEIGHBOUR_CELLS
from uninote.pipelines.lake.changed_items import changed_keys
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.stored_vectors import scan_files
from uninote.pipelines.neighbours.cell_rows import KeptRows, folders, load_cells, open_kept
from uninote.pipelines.neighbours.changed_rows import changed_rows
from uninote.pipelines.neighbours.files import TOLD, Written, collect, make_partial_sink, of_kind, rewrite
from uninote.pipelines.neighbours.full_join import visiting
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.plan import kernel_recall
from uninote.pipelines.runtime.progress import say, watched

AS_OF = "as_of"  # in the ledger's counts: seconds since the epoch that ages were counted from
_DRIVER_ROWS = 200_000_000  # past it the limits of all lists do not fit into the driver: all is joined again
_LOOKED = ("item_key", "neighbour_keys", "scores", "whole")
_TOLD = {"item_key": np.int64, "limit": np.float32, "short": np.bool_}


class NotFollowedError(UninoteError):
    """A night cannot go on from what the last one left; its message says why, and all notes are joined again."""


@dataclass(frozen=True)
class _State:
    """A table's lists before the night: their `files`, `limits` float32 by item_key, the keys of those that ran `short`."""

    files: list[DataFile]
    limits: np.ndarray
    short: np.ndarray


@dataclass(frozen=True)
class Followed:
    """What a night's join found: `counts` for the ledger, and the lists by table, to be merged with those in `files`.

    `before` has the versions it went on from, by table; `went` the keys, int64 ascending, of what changed or went.
    """

    counts: dict[str, int]
    written: list[Written]
    files: Mapping[str, list[DataFile]]
    before: Mapping[str, int]
    went: np.ndarray


def follow(join: Join, done: Entry) -> Followed:
    """Join what changed since the ledger's entry `done`.

    Raises NotFollowedError where all must be joined, MissingFilesError and DamagedFileError where files are not as they were.
    """
    outputs = done["outputs"]
    went = _find_changed(join, done)
    centroids, overlap, visits = load_cells(join, outputs[NEIGHBOUR_CELLS.name])
    kept = open_kept(join, len(centroids), outputs)
    _check_worth(join, kept, went)
    gone = join.run.spark.sparkContext.broadcast(went)
    rules = join.run.config.neighbours.rules
    states = {name: _look(join, name, lambda: gone.value, outputs) for name in rules}
    gone.destroy()
    short = np.unique(np.concatenate([state.short for state in states.values()]))
    there = _there(join, went)
    few = np.union1d(there, short)
    say(f"neighbours: {len(went):,} notes changed; {len(few):,} lists are made anew, of {join.rows:,}")
    if not all(rule.plain for rule in join.task(1.0).rules.values()):
        visits = max(visits, 2 * overlap)  # told by the nearest; whom a rule lets in may be further off
    cells = centroids, min(visits, len(centroids))
    changed = Changed(went, {name: state.limits for name, state in states.items()})
    with changed_rows(join, kept, done["inputs"], few) as rows:
        written = _join_few(join, kept, changed, rows, cells)
    counts = {"cells": len(centroids), "overlap": overlap, "joined": len(few), "changed": len(went)}
    return Followed(counts, written, {name: state.files for name, state in states.items()}, outputs, went)


def _check_worth(join: Join, kept: KeptRows, went: np.ndarray) -> None:
    """Raise NotFollowedError where joining all costs less, or the driver cannot hold what a night needs."""
    if join.rows > _DRIVER_ROWS:
        raise NotFollowedError(
            f"{join.rows:,} notes are more than {_DRIVER_ROWS:,}, whose lists' limits fit into the driver"
        )
    if len(went) > join.run.config.neighbours.full_share * join.rows:
        raise NotFollowedError(f"{len(went):,} of {join.rows:,} notes changed")
    if kept.added > join.rows:
        raise NotFollowedError(f"{kept.added:,} rows in {kept.nights} nights since all were joined")


def merge(join: Join, followed: Followed) -> list[Written]:
    """Merge what a night found with the lists of before.

    Raises NotFollowedError where that loses a list, or has one twice.
    """
    written = [one for one in followed.written if one.kind != PARTIAL]
    for name, files in followed.files.items():
        merged = rewrite(join, name, [one for one in followed.written if one.table == name], files, followed.went)
        lists = sum(file.rows for file in of_kind(merged, name, STATE))
        if lists != join.rows:
            raise NotFollowedError(f"{name} came to {lists:,} lists for {join.rows:,} notes")
        written += merged
    return written


def _find_changed(join: Join, done: Entry) -> np.ndarray:
    """Return int64 ascending, the keys of notes that changed or went since. Raises NotFollowedError if that is not told."""
    keys = changed_keys(join.run, ("note",), done["inputs"]["items"], join.versions["items"])
    if keys is None:
        raise NotFollowedError("the change feed of items does not reach back to the last join")
    return np.union1d(keys, join.aged_since(done["counts"].get(AS_OF, 0))) if join.fresh_days else keys


def _there(join: Join, keys: np.ndarray) -> np.ndarray:
    """Return those of `keys`, int64 ascending, that are items now."""
    if not len(keys):
        return keys
    asked = join.run.spark.createDataFrame(pa.table({"item_key": keys}))
    items = join.vectors.snapshot.read("items").where("kind = 'note'").select("item_key")
    found = items.join(asked, "item_key", "left_semi").toArrow()["item_key"].to_numpy()
    return np.sort(np.asarray(found))


def _look(join: Join, name: str, gone: Callable[[], np.ndarray], outputs: Mapping[str, int]) -> _State:
    """Return the lists of notes that did not change, as they are without neighbours that did."""
    files = present_files(join.state_uri(name), outputs[join.state(name).name])
    make = make_look(gone, join.run.config.neighbours.k)
    schema = StructType([StructField(field, BinaryType()) for field in _TOLD])
    told = scan_files(join.run, files, make_reader(_LOOKED), make, schema).toArrow()
    keys, limit, short = (_joined(told[field], kind) for field, kind in _TOLD.items())
    limits = np.full(int(keys.max(initial=-1)) + 1, -np.inf, dtype=np.float32)
    limits[keys] = limit
    return _State(files, limits, np.sort(keys[short]))


def _join_few(
    join: Join, kept: KeptRows, changed: Changed, rows: DataFrame, cells: tuple[np.ndarray, int]
) -> list[Written]:
    """Join the changed rows with all, each in the cells that it visits; store the lists that come of it.

    Those rows are shuffled, once for each visit; nobody else's are moved.
    """
    context, task = join.run.spark.sparkContext, join.task(kernel_recall(join.run.config.neighbours))
    night = Night(kept.nights + 1, kept.files, folders(join), to_arrow_type(join.run.note_id))
    shared, centroids = context.broadcast((changed, night)), context.broadcast(cells[0])
    visits = make_visits(NightCells(lambda: centroids.value, cells[1]))
    moved = join.with_attributes(rows).mapInArrow(visits, visiting(join))
    # By id, not by hash: a partition is a cell. Nobody may visit one, or any, and what went must still leave it: without a
    # row for each, Spark would drop what comes after an empty shuffle.
    by_cell = moved.union(_marks(join, len(kept.files))).repartitionById(len(kept.files), F.col("cell"))
    with watched(context, "neighbours: changed notes, against rows", join.rows) as done:
        make = make_night_join(
            task, lambda: shared.value[0], lambda: shared.value[1], make_partial_sink(join), done.add
        )
        written = collect(by_cell.mapInArrow(make, TOLD))
    shared.destroy()
    centroids.destroy()
    return written


def _marks(join: Join, cells: int) -> DataFrame:
    """Return a row for each cell that has nothing but its number."""
    columns = visiting(join).fields[:-2]
    nothing = [F.lit(None).cast(field.dataType).alias(field.name) for field in columns]
    where = F.col("id").cast("int").alias("cell"), F.lit(False).alias("home")
    return join.run.spark.range(cells).select(*nothing, *where)


def _joined(parts: pa.ChunkedArray, kind: type) -> np.ndarray:
    return np.frombuffer(b"".join(parts.to_pylist()), kind)
