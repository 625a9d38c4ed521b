"""A night's changes to the lists: changed notes joined with those near them, both ways; what went taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import BinaryType, StructField, StructType

from udfs.arrow_vectors import to_matrix
from udfs.kept_rows import Items
from udfs.neighbour_files import PARTIAL, STATE
from udfs.neighbour_lists import make_look
from udfs.neighbour_nights import Changed, Night, make_night_join
from udfs.stored_rows import make_reader
from uninote.delta_files import files_of
from uninote.errors import UninoteError
from uninote.kmeans import nearest_centroids
from uninote.neighbours.cells import assign_cells
from uninote.neighbours.rules import Rows
from uninote.parquet_files import DataFile
from uninote.pipelines.changed_items import changed_keys, changed_vectors
from uninote.pipelines.kept_rows import KeptRows, folders, load_cells, open_kept
from uninote.pipelines.ledger import Entry
from uninote.pipelines.neighbours_files import (
    TOLD,
    Written,
    collect,
    make_partial_sink,
    of_kind,
    rewrite,
    store_owners,
)  # fmt: skip
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.neighbours_plan import kernel_recall
from uninote.pipelines.progress import say, watched
from uninote.pipelines.stored_vectors import scan_files
from uninote.schemas import NEIGHBOUR_CELLS

AS_OF = "as_of"  # in the ledger's counts: seconds since the epoch that ages were counted from
_DRIVER_ROWS = 200_000_000  # past it the limits of all lists do not fit into the driver: all is joined again
_DRIVER_BYTES = 1 << 30  # of changed vectors
_LOOKED = ("item_key", "neighbour_keys", "scores", "whole")
_TOLD = {"item_key": np.int64, "limit": np.float32, "short": np.bool_}


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


def follow(join: Join, done: Entry) -> Followed | None:
    """Join what changed since the ledger's entry `done`; None where all must be joined."""
    settings, outputs = join.run.config.neighbours, done["outputs"]
    went = _find_changed(join, done) if join.rows <= _DRIVER_ROWS else None
    if went is None:
        return None
    centroids, overlap, visits = load_cells(join, outputs[NEIGHBOUR_CELLS.name])
    kept = open_kept(join, len(centroids), outputs)
    if len(went) > settings.full_share * join.rows:
        say(f"neighbours: {len(went):,} of {join.rows:,} notes changed; joining all of them")
        return None
    if kept.added > join.rows:
        say(f"neighbours: {kept.added:,} rows in {kept.nights} nights since all were joined; joining all of them")
        return None
    gone = join.run.spark.sparkContext.broadcast(went)
    states = {name: _look(join, name, lambda: gone.value, outputs) for name in settings.rules}
    gone.destroy()
    few = _read_few(
        join, kept, done["inputs"], went, np.unique(np.concatenate([state.short for state in states.values()]))
    )
    if few.nbytes > _DRIVER_BYTES:
        return None
    say(f"neighbours: {len(went):,} notes changed; {len(few):,} lists are made anew, of {join.rows:,}")
    if not all(rule.plain for rule in join.task(1.0).rules.values()):
        visits = max(visits, 2 * overlap)  # told by the nearest; whom a rule lets in may be further off
    changed = _changed(join, few, centroids, min(visits, len(centroids)))
    limits = {name: state.limits for name, state in states.items()}
    written = _join_few(join, kept, Changed(*changed, went, limits))
    for name in settings.rules:
        written += store_owners(join, name, few)
    counts = {"cells": len(centroids), "overlap": overlap, "joined": len(few), "changed": len(went)}
    return Followed(counts, written, {name: state.files for name, state in states.items()}, outputs, went)


def merge(join: Join, followed: Followed) -> list[Written]:
    """Merge what a night found with the lists of before. Raises UninoteError where that loses a list, or has one twice."""
    written = [one for one in followed.written if one.kind != PARTIAL]
    for name, files in followed.files.items():
        merged = rewrite(join, name, [one for one in followed.written if one.table == name], files, followed.went)
        lists = sum(file.rows for file in of_kind(merged, name, STATE))
        if lists != join.rows:
            raise UninoteError(
                f"{name}: {lists:,} lists for {join.rows:,} notes; the tables were left as they were. Please report this, and "
                "set neighbours.full_share to 0 for one run, which joins all"
            )
        written += merged
    return written


def _find_changed(join: Join, done: Entry) -> np.ndarray | None:
    """Return int64 ascending, the keys of notes that changed or went since; None where that is not told."""
    keys = changed_keys(join.run, ("note",), done["inputs"]["items"], join.versions["items"])
    if keys is None or not join.fresh_days:
        return keys
    return np.union1d(keys, join.aged_since(done["counts"].get(AS_OF, 0)))


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


def _read_few(join: Join, kept: KeptRows, inputs: Mapping[str, int], went: np.ndarray, short: np.ndarray) -> pa.Table:
    """Return item_key, note_id and vector of those that changed or ran short and are there, in order of key.

    New vectors come from the feed of their table; those that did not change from the rows kept by cell.
    """
    columns, wanted = ["item_key", "note_id", "vector"], np.union1d(went, short)
    name = join.vectors.snapshot.vectors_name(join.width)
    changed = changed_vectors(join.vectors, inputs[name], join.versions[name])
    if changed is None:
        found = join.vectors.pick_rows(wanted)
    else:
        came, gone = changed
        others = np.setdiff1d(wanted, np.concatenate([came["item_key"].to_numpy(), gone]))
        came = came.filter(pc.is_in(came["item_key"], pa.array(wanted))).select(columns)
        found = pa.concat_tables([came, kept.pick(others).cast(came.schema)]) if len(others) else came
    return found.sort_by("item_key").combine_chunks()


def _changed(join: Join, few: pa.Table, centroids: np.ndarray, visits: int) -> tuple[Items, np.ndarray, np.ndarray]:
    """Return the rows with their attributes, the cells that each visits, and where each is at home."""
    vectors = np.concatenate([np.empty((0, join.width), np.float32), *map(to_matrix, few["vector"].chunks)])
    keys, ids = few["item_key"].to_numpy(), pa.concat_arrays(few["note_id"].chunks)
    items = Items(keys, ids, Rows(vectors, join.attributes_of(ids)))
    home = assign_cells(vectors, centroids, 1, keys)[:, 0]
    return items, np.column_stack([home, nearest_centroids(vectors, centroids, visits)]), home


def _join_few(join: Join, kept: KeptRows, changed: Changed) -> list[Written]:
    """Join the changed rows with all; store the lists that come of it."""
    context, task = join.run.spark.sparkContext, join.task(kernel_recall(join.run.config.neighbours))
    shared = context.broadcast((changed, Night(kept.nights + 1, kept.files, folders(join))))
    with watched(context, "neighbours: changed notes, against rows", join.rows) as done:
        make = make_night_join(
            task, lambda: shared.value[0], lambda: shared.value[1], make_partial_sink(join), done.add
        )
        written = collect(kept.scan(make, TOLD))
    shared.destroy()
    return written


def _joined(parts: pa.ChunkedArray, kind: type) -> np.ndarray:
    return np.frombuffer(b"".join(parts.to_pylist()), kind)
