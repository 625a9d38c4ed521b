"""Items against a gallery: a task reads the gallery's files once, and its share of the items block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, as_matrix, to_batch, to_bytes
from udfs.table_files import Keys
from uninote.errors import UninoteError
from uninote.gallery.comparing import ROUNDING, Hits, compare
from uninote.gallery.entries import COLUMNS, Entries, Group, make_entries
from uninote.gallery.histograms import BINS, bins_of
from uninote.gallery.kinds import KINDS, positions_of
from uninote.gallery.thresholds import Thresholds
from uninote.lake.parquet_files import open_parquet
from uninote.vectors.key_sets import among


@dataclass(frozen=True)
class CompareTask:
    """What a task compares its items with: the gallery's files, of vectors of `width` that `generation` made.

    Items of `keys`, int64 ascending, null: all, are compared with all entries but those in `without`; others with `changed`
    entries, by their ids, alone.
    """

    paths: Sequence[str]
    width: int
    generation: str
    thresholds: Thresholds
    without: Sequence[str] = ()
    changed: Sequence[str] = ()
    keys: Keys | None = None


def read_parts(task: CompareTask) -> pa.Table:
    """Return the rows of the gallery that count. Raises UninoteError where another generation made one."""
    tables = []
    for path in task.paths:
        with open_parquet(path) as file:
            tables.append(file.read(list(COLUMNS), use_threads=False))
    rows = pa.concat_tables(tables, promote_options="permissive")
    others = set(pc.unique(rows["generation"]).to_pylist()) - {task.generation}
    if others:
        raise UninoteError(f"the gallery has a vector of generation {others.pop()} among those of {task.generation}")
    return rows.filter(pc.invert(_are_among(rows, task.without)))


def _are_among(rows: pa.Table, ids: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(rows["entry_id"], pa.array(ids, pa.string()))


def make_compare(task: CompareTask, schema: pa.Schema) -> ArrowMap:
    """Map items (item_key, item_id, note_id, kind, content_hash, vector) to `schema`: a row for each hit.

    For each item that was compared with all entries there is a row with its `bins` besides, int16 by group of entries as
    bytes, and no entry.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = read_parts(task)
        entries = make_entries(parts, task.width)
        changed = make_entries(parts.filter(_are_among(parts, task.changed)), task.width)
        for batch in batches:
            # Both comparisons in one pass: reading the vectors of a large lake takes longer than meeting a few entries.
            is_new = np.ones(len(batch), bool)
            if task.keys is not None:
                is_new = among(batch.column("item_key").to_numpy(), task.keys())
            yield from _of_kinds(task, entries, batch.filter(pa.array(is_new)), schema, counts_bins=True)
            yield from _of_kinds(task, changed, batch.filter(pa.array(~is_new)), schema, counts_bins=False)

    return run


def _of_kinds(
    task: CompareTask, entries: Entries, batch: pa.RecordBatch, schema: pa.Schema, *, counts_bins: bool
) -> Iterator[pa.RecordBatch]:
    """Yield what items come to, those of a kind together."""
    if not len(entries):
        return
    limits = task.thresholds.table(entries.groups)
    for place, kind in enumerate(KINDS):
        items = batch.filter(pc.equal(batch.column("kind"), kind))
        if len(items):
            vectors = np.ascontiguousarray(as_matrix(items.column("vector"), task.width))
            for block in compare(entries, vectors, limits[:, place, 1]):
                mine = items.slice(block.first, len(block.best))
                if len(block.hits.rows):
                    yield _hit_rows(entries, mine, block.hits, limits[:, place], schema)
                if counts_bins:
                    yield _bin_rows(mine, block.best, schema)


def _bin_rows(items: pa.RecordBatch, best: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    columns = {name: pa.nulls(len(items), schema.field(name).type) for name in schema.names}
    # One value of bytes a row: a hundred groups as a list column would be a hundred numbers that Spark copies one by one.
    columns |= {"note_id": items.column("note_id"), "kind": items.column("kind"), "bins": to_bytes(bins_of(best))}
    return to_batch(columns, schema)


def _hit_rows(
    entries: Entries, items: pa.RecordBatch, hits: Hits, limits: np.ndarray, schema: pa.Schema
) -> pa.RecordBatch:
    """Return hits as rows, each decided: what acts is not of a generic entry, and reaches that threshold."""
    groups = np.searchsorted(entries.starts, hits.parts, side="right") - 1
    acts = (hits.scores >= limits[groups, 0] - ROUNDING) & ~entries.generic[hits.parts]
    found = items.take(pa.array(hits.rows))
    names = list(zip(*(entries.groups[group] for group in groups.tolist()), strict=True))
    columns = {
        "entry_id": entries.ids.take(pa.array(hits.parts)),
        "entry_kind": pa.array(names[0], pa.string()),
        "category": pa.array(names[1], pa.string()),
        "entry_position": pa.array(entries.positions[hits.parts]),
        "note_id": found.column("note_id"),
        "kind": found.column("kind"),
        "position": pa.array(positions_of(found.column("item_id"))),
        "content_hash": found.column("content_hash"),
        "score": pa.array(hits.scores),
        "acts": pa.array(acts),
        "threshold": pa.array(np.where(acts, limits[groups, 0], limits[groups, 1])),
        "bins": pa.nulls(len(found), pa.binary()),
    }
    return to_batch(columns, schema)


def make_histograms(groups: Sequence[Group], schema: pa.Schema) -> ArrowMap:
    """Map (note_id, kind, bins), sorted by note and kind, to `schema`: how many notes have their best score in which bin.

    A note counts once by kind, by the best of its items. Of a note whose items are in two batches the first waits.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = np.zeros((len(KINDS), len(groups), BINS), np.int64)
        waiting: pa.RecordBatch | None = None
        for batch in batches:
            if len(batch):
                rows = batch if waiting is None else pa.concat_batches([waiting, batch])
                firsts = _first_rows(rows)
                _count(rows.slice(0, firsts[-1]), firsts[:-1], counts)
                # The last note may go on in the next batch.
                waiting = rows.slice(firsts[-1])
        if waiting is not None:
            _count(waiting, np.zeros(1, np.int64), counts)
        yield _counted(groups, counts, schema)

    return run


def _first_rows(rows: pa.RecordBatch) -> np.ndarray:
    """Return the first row of each note and kind, int64."""
    is_first = np.ones(len(rows), bool)
    is_first[1:] = False
    for name in ("note_id", "kind"):
        values = rows.column(name).to_numpy(zero_copy_only=False)
        is_first[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(is_first)


def _count(rows: pa.RecordBatch, firsts: np.ndarray, counts: np.ndarray) -> None:
    if not len(rows):
        return
    width = counts.shape[1]
    bins = np.frombuffer(b"".join(rows.column("bins").to_pylist()), np.int16).reshape(len(rows), width)
    best = np.maximum.reduceat(bins, firsts, axis=0)
    kinds = rows.column("kind").take(pa.array(firsts)).to_pylist()
    places = np.array([KINDS.index(kind) for kind in kinds])
    for place in np.unique(places).tolist():
        for group in range(width):
            counts[place, group] += np.bincount(best[places == place, group], minlength=BINS)


def _counted(groups: Sequence[Group], counts: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    kinds, numbers, bins = np.nonzero(counts)
    columns = {
        "entry_kind": pa.array([groups[number].kind for number in numbers.tolist()], pa.string()),
        "category": pa.array([groups[number].category for number in numbers.tolist()], pa.string()),
        "note_kind": pa.array([KINDS[kind] for kind in kinds], pa.string()),
        "bin": pa.array(bins.astype(np.int32)),
        "notes": pa.array(counts[kinds, numbers, bins]),
    }
    return to_batch(columns, schema)
