"""Neighbour lists as files, written by the tasks that make them: the private state, and the table that readers want."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, unpack
from udfs.neighbours.lists import merge_lists
from udfs.table_files import Read, gathered
from uninote.lake.parquet_files import DataFile, write_file
from uninote.neighbours.background import FlatScores, strengths

# Of the files of lists: an update writes each of them again, in one task.
FILE_ROWS = 100_000
# Rows of a row group: a sample reads only the groups it needs, and a look-up decodes a whole one for each note.
_GROUP_ROWS = 4096
_PUBLIC_GROUP_ROWS = 1024
FILE_RECORD = ("kind", "path", "size", "rows", "low", "high")
"""What a task reports of each file that it wrote; `low` and `high` are the bounds of note_id, as JSON."""

PAIR_COLUMNS = ("item_key", "note_id", "other_key", "other_id", "score")
"""The columns of files of duplicates: a list's owner, and an entry that is its duplicate."""

ENTRY = ("note_id", "score", "strength", "confidence")
"""The fields of a neighbour, as readers see it."""

STATE = "state"  # the kinds of files
PUBLIC = "public"
PAIRS = "pairs"
PARTIAL = "partial"
TRUTH = "truth"
ROWS = "rows"
PIVOTS = "pivots"
BACKGROUND = "background"


@dataclass(frozen=True)
class ListFolders:
    """Where the lists of one table go: `state`, `public` (null: made from the state later), `pairs` of duplicates (or null).

    A list has at most `state_length` entries in the state, and `k` for readers, of those that have `min_strength` (null: all).
    `sample`, int64 ascending, are the keys of the notes that backgrounds are made of. A pair of duplicates has a score of
    `duplicate_score` or more, and is among the first `k` of a list.
    """

    state: str
    public: str | None
    pairs: str | None
    state_length: int
    k: int
    duplicate_score: float
    sample: np.ndarray
    min_strength: float | None = None


def write_lists(batches: Iterator[pa.RecordBatch], folders: ListFolders) -> Iterator[pa.RecordBatch]:
    """Write LISTS, which come in order of note_id, and yield a FILE_RECORD for each file."""
    for lists in _files(batches):
        # Entries that did not fit into a full list may qualify all the same: it is not complete.
        full = pc.greater_equal(lists["neighbour_ids"].combine_chunks().value_lengths(), folders.state_length)
        complete = pc.and_not(lists["whole"].combine_chunks(), full)
        lists = lists.set_column(lists.schema.get_field_index("whole"), "whole", complete)
        yield file_record(STATE, write_file(lists, folders.state, _GROUP_ROWS))
        if folders.public is not None:
            yield from write_public(iter([_public(lists, folders)]), folders.public)
        if folders.pairs is not None and len(pairs := _pairs(lists, folders.k, folders.duplicate_score)):
            yield file_record(PAIRS, write_file(pairs, folders.pairs))


def write_partial(batches: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write LISTS that are merged later, and yield a FILE_RECORD for each file."""
    for lists in _files(batches):
        yield file_record(PARTIAL, write_file(lists, folder))


def write_public(rows: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write rows of a table for readers, which come in order of note_id, and yield a FILE_RECORD for each file."""
    for table in _files(rows):
        yield file_record(PUBLIC, write_file(table, folder, _PUBLIC_GROUP_ROWS))


@dataclass(frozen=True)
class PublicEntries:
    """Entries of lists as readers see them, flat: `ids` the note_ids; `scores`, `strengths` and `confidences` float32.

    The latter two are NaN where there is none.
    """

    ids: pa.Array
    scores: np.ndarray
    strengths: np.ndarray
    confidences: np.ndarray

    def take(self, places: np.ndarray) -> PublicEntries:
        """Return some of them."""
        return PublicEntries(
            self.ids.take(pa.array(places)), self.scores[places], self.strengths[places], self.confidences[places]
        )


@dataclass(frozen=True)
class Shown:
    """What readers see of a list: of the first `k` entries those with `min_strength` and `min_confidence`, null: any.

    Of a list of which no entry has `min_best_confidence` they see nothing.
    """

    k: int
    min_strength: float | None = None
    min_confidence: float | None = None
    min_best_confidence: float | None = None

    def lets_in(self, entries: PublicEntries, lengths: np.ndarray) -> np.ndarray | None:
        """Return bool, flat, of entries of lists of `lengths` (n,); null where none is left out."""
        if (self.min_strength, self.min_confidence, self.min_best_confidence) == (None, None, None):
            return None
        kept = np.ones(len(entries.scores), bool)
        for values, least in ((entries.strengths, self.min_strength), (entries.confidences, self.min_confidence)):
            if least is not None:
                # What has no strength, or no confidence, is not known to be weak.
                kept &= ~(values < least)
        if self.min_best_confidence is not None:
            owner = np.repeat(np.arange(len(lengths)), lengths)
            good = ~(entries.confidences < self.min_best_confidence)
            kept &= np.bincount(owner[good], minlength=len(lengths))[owner] > 0
        return kept


def public_lists(owners: pa.Array, lengths: np.ndarray, entries: PublicEntries, shown: Shown) -> pa.RecordBatch:
    """Return (note_id, neighbours): what readers see of each owner's entries, best first; `lengths` (n,) are those of lists.

    Nothing moves up in the place of what is too weak: updates use spare entries up, and confidences do not fall with the rank.
    """
    first = entries.take(np.flatnonzero(ranks_of(lengths) < shown.k))
    lengths = np.minimum(lengths, shown.k)
    kept = shown.lets_in(first, lengths)
    if kept is not None:
        owner = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(owner[kept], minlength=len(lengths))
        first = first.take(np.flatnonzero(kept))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = [first.ids, pa.array(first.scores)]
    columns += [pa.array(values, mask=np.isnan(values)) for values in (first.strengths, first.confidences)]
    fields = pa.StructArray.from_arrays(columns, [*ENTRY])
    lists = pa.ListArray.from_arrays(pa.array(offsets), fields)
    return pa.RecordBatch.from_arrays([owners, lists], names=["note_id", "neighbours"])


def ranks_of(lengths: np.ndarray) -> np.ndarray:
    """Return int64, flat: the place of each entry in its list, from 0; `lengths` (n,) are those of the lists."""
    starts = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) - np.repeat(starts, lengths))


def make_parts(bounds: Sequence[str | int]) -> ArrowMap:
    """Map LISTS to `part` and `lists`: those whose note_id has so many of the ascending `bounds` up to it, as Arrow's bytes.

    Spark shuffles bytes in one piece, and lists element by element.
    """
    limits = np.array(bounds, dtype=object if bounds and isinstance(bounds[0], str) else None)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = batch.column("note_id").to_numpy(zero_copy_only=False)
            part = np.searchsorted(limits, ids, side="right") if len(limits) else np.zeros(len(ids), np.int64)
            # One slice for each part, in one piece: a stable sort keeps lists of a part in their order.
            order = np.argsort(part, kind="stable")
            parts, starts = np.unique(part[order], return_index=True)
            lists = [_to_stream(batch.take(pa.array(rows))) for rows in np.split(order, starts[1:])]
            columns = [pa.array(parts, pa.int32()), pa.array(lists, pa.binary())]
            yield pa.RecordBatch.from_arrays(columns, names=["part", "lists"])

    return run


def make_rewrite(
    folders: ListFolders, read: Read, old: Sequence[str | None], removed: Callable[[], np.ndarray]
) -> ArrowMap:
    """Merge the partial LISTS of a `part` with its old file, write them, and yield a FILE_RECORD for each file.

    Owners and neighbours among `removed`, int64 ascending, are left out of the old lists. Each partition holds one part, or
    nothing; a row of it without `lists` only names the part. `old` are the files, by part; null where there is none.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        path = old[rows[0].column("part")[0].as_py()]
        found = list(_from_streams(rows))
        stored = [] if path is None else list(read(path))
        if found or stored:
            merged = merge_lists(stored, found, removed(), folders.state_length)
            yield from write_lists(iter([merged]), folders)

    return run


def _from_streams(rows: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the LISTS that `make_parts` put into bytes."""
    for batch in rows:
        for stream in batch.column("lists"):
            if stream.is_valid:
                yield from pa.ipc.open_stream(stream.as_buffer())


def _to_stream(lists: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, lists.schema) as stream:
        stream.write_batch(lists)
    return bytes(sink.getvalue())


def _files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    return (pa.Table.from_batches([batch]) for batch in gathered(batches, FILE_ROWS))


def file_record(kind: str, file: DataFile) -> pa.RecordBatch:
    """Return what is reported of one file, as a batch of one row."""
    values = [kind, file.path, file.size, file.rows, json.dumps(file.low), json.dumps(file.high)]
    return pa.RecordBatch.from_arrays([pa.array([value]) for value in values], names=[*FILE_RECORD])


def with_table(table: str, records: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put before each FILE_RECORD the name of the table that the file is for."""
    for batch in records:
        yield batch.add_column(0, "table", pa.array([table] * len(batch), pa.string()))


def public_entries(lists: pa.RecordBatch | pa.Table, sample: np.ndarray, k: int) -> tuple[np.ndarray, PublicEntries]:
    """Return the lengths of LISTS, and their entries, without confidences.

    Strengths leave the first `k` of a list out of its background.
    """
    scores, starts = unpack(_column(lists, "scores"), np.float32)
    keys, _ = unpack(_column(lists, "neighbour_keys"), np.int64)
    lengths = np.diff(starts)
    backgrounds = np.stack([_column(lists, name).to_numpy() for name in ("mean", "spread")], axis=1)
    own = FlatScores(_column(lists, "item_key").to_numpy(), keys, scores, lengths)
    ids = _column(lists, "neighbour_ids").flatten()
    unknown = np.full(len(scores), np.nan, np.float32)
    return lengths, PublicEntries(ids, scores, strengths(own, backgrounds, sample, k), unknown)


def _column(lists: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = lists.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _public(lists: pa.Table, folders: ListFolders) -> pa.RecordBatch:
    """Return (note_id, neighbours) of LISTS, for readers."""
    lengths, entries = public_entries(lists, folders.sample, folders.k)
    return public_lists(_column(lists, "note_id"), lengths, entries, Shown(folders.k, folders.min_strength))


def _pairs(lists: pa.Table, k: int, score: float) -> pa.Table:
    """Return PAIR_COLUMNS of those of the first `k` entries of each list that have `score` or more.

    Updates use up what comes after the first `k`, so pairs from there would not be those of a full join.
    """
    keys, _ = unpack(lists["neighbour_keys"].combine_chunks(), np.int64)
    scores, starts = unpack(lists["scores"].combine_chunks(), np.float32)
    near = np.flatnonzero((scores >= score) & (ranks_of(np.diff(starts)) < k))
    owner = pa.array(np.searchsorted(starts, near, side="right") - 1)
    others = lists["neighbour_ids"].combine_chunks().flatten().take(pa.array(near))
    columns = [lists["item_key"].take(owner), lists["note_id"].take(owner), keys[near], others, scores[near]]
    return pa.table(columns, names=[*PAIR_COLUMNS])
