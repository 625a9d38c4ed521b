"""Neighbour lists as files, written by the tasks that make them: the private state, and the table that readers want."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import unpack
from udfs.neighbours.lists import merge_lists
from udfs.notes.fingerprints import ArrowMap
from udfs.table_files import Read, gathered
from uninote.lake.parquet_files import DataFile, write_file

FILE_ROWS = 100_000  # of the files of lists; a night makes each of them anew in one task
_GROUP_ROWS = 4096  # of row groups: a look-up, or a sample, reads few of them
WRITTEN = ("kind", "path", "size", "rows", "low", "high")  # what is told of a file; bounds of note_id as JSON
STATE, PUBLIC, PAIRS, PARTIAL, ROWS, LEADERS = "state", "public", "pairs", "partial", "rows", "leaders"


@dataclass(frozen=True)
class ListFolders:
    """Where the lists of one table go: `state`, `public` (null: made from the state later), `pairs` of duplicates (or null).

    `kept` entries a list go to the state, `k` to readers. A pair of duplicates has `duplicate_score` or more.
    """

    state: str
    public: str | None
    pairs: str | None
    kept: int
    k: int
    duplicate_score: float


def write_lists(batches: Iterator[pa.RecordBatch], folders: ListFolders) -> Iterator[pa.RecordBatch]:
    """Write LISTS, which come in order of note_id, and yield WRITTEN."""
    for lists in _files(batches):
        full = pc.greater_equal(lists["neighbour_ids"].combine_chunks().value_lengths(), folders.kept)
        whole = pc.and_not(lists["whole"].combine_chunks(), full)
        lists = lists.set_column(lists.schema.get_field_index("whole"), "whole", whole)
        yield told(STATE, write_file(lists, folders.state, _GROUP_ROWS))
        if folders.public is not None:
            yield from write_public(iter([_public(lists, folders.k)]), folders.public)
        if folders.pairs is not None and len(pairs := _pairs(lists, folders.duplicate_score)):
            yield told(PAIRS, write_file(pairs, folders.pairs))


def write_partial(batches: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write LISTS that wait to be merged, and yield WRITTEN."""
    for lists in _files(batches):
        yield told(PARTIAL, write_file(lists, folder))


def write_public(rows: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write rows of a table for readers, which come in order of note_id, and yield WRITTEN."""
    for table in _files(rows):
        yield told(PUBLIC, write_file(table, folder, _GROUP_ROWS))


def public_lists(owners: pa.Array, lengths: np.ndarray, ids: pa.Array, scores: pa.Array, k: int) -> pa.RecordBatch:
    """Return (note_id, neighbours): the first `k` of each owner's entries; `ids` and `scores` are flat, `lengths` a row."""
    rank = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = pa.array(np.flatnonzero(rank < k))
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, k))]).astype(np.int32)
    pairs = pa.StructArray.from_arrays([ids.take(kept), scores.take(kept)], ["note_id", "score"])
    lists = pa.ListArray.from_arrays(pa.array(offsets), pairs)
    return pa.RecordBatch.from_arrays([owners, lists], names=["note_id", "neighbours"])


def make_parts(bounds: Sequence[str | int]) -> ArrowMap:
    """Map LISTS to `part` and `lists`: those whose note_id has so many of the ascending `bounds` up to it, as Arrow's bytes.

    Spark shuffles bytes whole, and lists element by element.
    """
    limits = np.array(bounds, dtype=object if bounds and isinstance(bounds[0], str) else None)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = batch.column("note_id").to_numpy(zero_copy_only=False)
            part = np.searchsorted(limits, ids, side="right") if len(limits) else np.zeros(len(ids), np.int64)
            order = np.argsort(part, kind="stable")
            parts, starts = np.unique(part[order], return_index=True)
            lists = [_to_stream(batch.take(pa.array(rows))) for rows in np.split(order, starts[1:])]
            columns = [pa.array(parts, pa.int32()), pa.array(lists, pa.binary())]
            yield pa.RecordBatch.from_arrays(columns, names=["part", "lists"])

    return run


def make_rewrite(
    folders: ListFolders, read: Read, old: Sequence[str | None], gone: Callable[[], np.ndarray]
) -> ArrowMap:
    """Merge the partial LISTS of a `part` with its old file, less the neighbours and owners `gone`; write; yield WRITTEN.

    Each partition holds one part, or nothing; a row of it without `lists` only names the part. `old` are the files, by
    part; null where there is none.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        path = old[rows[0].column("part")[0].as_py()]
        streams = (stream for batch in rows for stream in batch.column("lists") if stream.is_valid)
        fresh = [batch for stream in streams for batch in pa.ipc.open_stream(stream.as_buffer())]
        stored = [] if path is None else list(read(path))
        if fresh or stored:
            yield from write_lists(iter([merge_lists(stored, fresh, gone(), folders.kept)]), folders)

    return run


def _to_stream(lists: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, lists.schema) as stream:
        stream.write_batch(lists)
    return bytes(sink.getvalue())


def _files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    return (pa.Table.from_batches([batch]) for batch in gathered(batches, FILE_ROWS))


def told(kind: str, file: DataFile) -> pa.RecordBatch:
    """Return WRITTEN of one file."""
    values = [kind, file.path, file.size, file.rows, json.dumps(file.low), json.dumps(file.high)]
    return pa.RecordBatch.from_arrays([pa.array([value]) for value in values], names=[*WRITTEN])


def _public(lists: pa.Table, k: int) -> pa.RecordBatch:
    owners, ids, packed = (lists[name].combine_chunks() for name in ("note_id", "neighbour_ids", "scores"))
    scores, starts = unpack(packed, np.float32)
    return public_lists(owners, np.diff(starts), ids.flatten(), pa.array(scores), k)


def _pairs(lists: pa.Table, score: float) -> pa.Table:
    """Return (item_key, note_id, other_key, other_id) of the entries that have `score` or more."""
    keys, ids, packed = (lists[name].combine_chunks() for name in ("neighbour_keys", "neighbour_ids", "scores"))
    scores, starts = unpack(packed, np.float32)
    near = np.flatnonzero(scores >= score)
    owner = pa.array(np.searchsorted(starts, near, side="right") - 1)
    entry = pa.array(near)
    columns = [lists["item_key"].take(owner), lists["note_id"].take(owner)]
    return pa.table([*columns, pa.array(unpack(keys, np.int64)[0][near]), ids.flatten().take(entry)],
                    names=["item_key", "note_id", "other_key", "other_id"])  # fmt: skip
