"""A night's changes to the lists: changed notes joined with all others, in both directions; what went taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql.types import BinaryType, StructField, StructType

from udfs.arrow_vectors import to_matrix
from udfs.neighbour_cells import Cells
from udfs.neighbour_lists import make_look
from udfs.neighbours import Changed, make_changed_join
from udfs.samples import make_pick
from udfs.stored_rows import make_reader
from uninote.delta_files import files_of
from uninote.neighbours.rules import Rows
from uninote.parquet_files import DataFile
from uninote.pipelines.changed_items import find_changed
from uninote.pipelines.neighbours_files import (
    TOLD,
    Written,
    collect,
    make_partial_sink,
    rewrite,
    store_owners,
)  # fmt: skip
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.progress import say, watched
from uninote.pipelines.stored_vectors import scan_files

AS_OF = "as_of"  # in the ledger's counts: seconds since the epoch that ages were counted from
_DRIVER_ROWS = 200_000_000  # past it the limits of all lists do not fit into the driver: all is joined again
_DRIVER_BYTES = 1 << 30  # of changed vectors
_EXACT = 1.0
_LOOKED = ("item_key", "neighbour_keys", "scores", "whole")
_TOLD = {"item_key": np.int64, "limit": np.float32, "short": np.bool_}


@dataclass(frozen=True)
class _State:
    """A table's lists before the night: their `files`, `limits` float32 by item_key, the keys of those that ran `short`."""

    files: list[DataFile]
    limits: np.ndarray
    short: np.ndarray


def follow(join: Join, done: Row) -> tuple[dict[str, int], list[Written]] | None:
    """Bring the lists of every table from what the ledger's entry `done` left to now; None where all must be joined."""
    settings = join.run.config.neighbours
    changed = find_changed(join.run, ("note",), done["inputs"]["items"], join.versions["items"])
    if changed is None or join.rows > _DRIVER_ROWS:
        return None
    went = _sorted_keys(changed.keys)
    changed.keys.unpersist()
    if join.fresh_days:
        went = np.union1d(went, join.aged_since(done["counts"].get(AS_OF, 0)))
    if len(went) > settings.full_share * join.rows:
        say(f"neighbours: {len(went):,} of {join.rows:,} notes changed; joining all of them")
        return None
    gone = join.run.spark.sparkContext.broadcast(went)
    states = {name: _look(join, name, lambda: gone.value, done["outputs"]) for name in settings.rules}
    few = _read_few(join, np.unique(np.concatenate([went, *(state.short for state in states.values())])))
    if few.nbytes > _DRIVER_BYTES:
        return None
    centroids, overlap = join.load_cells(done["outputs"]["neighbour_cells"])
    say(f"neighbours: {len(went):,} notes changed; {len(few):,} lists are made anew, against {join.rows:,} notes")
    limits = {name: state.limits for name, state in states.items()}
    partial = _join_few(join, few, limits, join.broadcast(centroids, overlap))
    written = []
    for name, state in states.items():
        mine = [*(one for one in partial if one.table == name), *store_owners(join, name, few)]
        written += rewrite(join, name, mine, state.files, went)
    return {"cells": len(centroids), "overlap": overlap, "joined": len(few), "changed": len(went)}, written


def _look(join: Join, name: str, gone: Callable[[], np.ndarray], outputs: Mapping[str, int]) -> _State:
    """Return the lists of notes that did not change, as they are without neighbours that did."""
    files = files_of(join.state_uri(name), outputs[join.state(name).name])
    make = make_look(gone, join.run.config.neighbours.k)
    schema = StructType([StructField(field, BinaryType()) for field in _TOLD])
    told = scan_files(join.run, files, make_reader(_LOOKED), make, schema).toArrow()
    keys, limit, short = (_joined(told[field], kind) for field, kind in _TOLD.items())
    limits = np.full(int(keys.max(initial=-1)) + 1, -np.inf, dtype=np.float32)
    limits[keys] = limit
    return _State(files, limits, np.sort(keys[short]))


def _read_few(join: Join, keys: np.ndarray) -> pa.Table:
    """Return the rows of those of `keys` that are there, in order of key."""
    wanted = join.run.spark.sparkContext.broadcast(keys)
    found = join.scan(make_pick(lambda: wanted.value), join.row_schema).toArrow()
    wanted.destroy()
    return found.sort_by("item_key").combine_chunks()


def _join_few(join: Join, few: pa.Table, limits: Mapping[str, np.ndarray], cells: Cells) -> list[Written]:
    """Join the rows `few` with all; store the lists that come of it."""
    context = join.run.spark.sparkContext
    changed = context.broadcast(_changed(join, few, limits, cells))
    with watched(context, "neighbours: changed notes, against rows", join.rows) as done:
        make = make_changed_join(join.task(_EXACT), lambda: changed.value, cells, make_partial_sink(join), done.add)
        written = collect(join.scan(make, TOLD))
    changed.destroy()
    return written


def _changed(join: Join, few: pa.Table, limits: Mapping[str, np.ndarray], cells: Cells) -> Changed:
    vectors = np.concatenate([np.empty((0, join.width), np.float32), *map(to_matrix, few["vector"].chunks)])
    keys = few["item_key"].to_numpy()
    attributes = {name: np.array(few[name].to_pylist(), dtype=object) for name in join.task(_EXACT).attributes}
    where = cells.of(vectors, keys) if len(keys) else np.empty((0, 1), np.int32)
    ids = pa.concat_arrays(few["note_id"].chunks) if len(few) else pa.array([], few.schema.field("note_id").type)
    return Changed(keys, ids, Rows(vectors, attributes), where, limits)


def _sorted_keys(rows: DataFrame) -> np.ndarray:
    return np.sort(np.asarray(rows.select("item_key").toArrow()["item_key"].to_numpy()))


def _joined(parts: pa.ChunkedArray, kind: type) -> np.ndarray:
    return np.frombuffer(b"".join(parts.to_pylist()), kind)
