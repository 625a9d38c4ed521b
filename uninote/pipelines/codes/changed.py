"""Notes whose vector changed since a run, came or went, by the change feed of their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import FloatType, LongType, StructType

from udfs.codes.encode import make_encode
from udfs.table_files import make_change_reader
from uninote.codes.codebook import Codebook
from uninote.lake.change_feed import THERE, files_since
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import struct_of
from uninote.pipelines.lake.reading.file_rows import FileRows, shared
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.vectors.last_rows import last_rows

MOST_NOTES = 200_000  # changed ones, which the driver holds
_MOST_BYTES = 1 << 30  # of the feed's files, vectors included
_COLUMNS = ["item_key", "note_id", "kind", "_change_type", "_commit_version"]


@dataclass(frozen=True)
class ChangedNotes:
    """What became of notes: packed codes of those that have a new vector, the errors that these leave, and ids of others."""

    coded: dict[Any, int]
    errors: np.ndarray
    gone: list[Any]


@dataclass(frozen=True)
class _Feed:
    """The last that a feed says of each note: int64 keys and commits, whether it is there, its id; and the feed's files."""

    keys: np.ndarray
    commits: np.ndarray
    there: np.ndarray
    note_ids: pa.Array
    files: list[tuple[int, DataFile]]


def encoded_schema(run: Run) -> StructType:
    """Return the columns of coded notes: `prefix` packs all codes but the last."""
    return struct_of(note_id=run.note_id, prefix=LongType(), error=FloatType())


def changed_notes(vectors: StoredVectors, codebook: Codebook, since: int, version: int) -> ChangedNotes | None:
    """Return what changed after version `since` of the vectors, up to `version`, coded.

    Null where the feed does not say, or where that is more than the driver should hold.
    """
    feed = _read_feed(vectors, since, version)
    if feed is None:
        return None
    there = feed.there
    coded = _encode(vectors, codebook, feed) if there.any() else encoded_table(vectors.run)
    gone = feed.note_ids.filter(pa.array(~there)).to_pylist()
    prefixes = dict(zip(coded["note_id"].to_pylist(), coded["prefix"].to_pylist(), strict=True))
    return ChangedNotes(prefixes, coded["error"].to_numpy(), gone)


def encoded_table(run: Run) -> pa.Table:
    """Return no coded notes."""
    return to_arrow_schema(encoded_schema(run), timezone="UTC").empty_table()


def _read_feed(vectors: StoredVectors, since: int, version: int) -> _Feed | None:
    run = vectors.run
    uri = run.generation.uri(vectors.snapshot.vectors_name(vectors.width))
    files = files_since(uri, since, version)
    if files is None or sum(file.size for _, file in files) > _MOST_BYTES:
        return None
    try:
        rows = _plain(pa.table(DeltaTable(uri).load_cdf(since + 1, version, columns=_COLUMNS)))
    except (DeltaError, pa.ArrowInvalid, OSError):
        # VACUUM deletes files of the feed although the log still names them.
        return None
    rows = rows.filter(pc.equal(rows["kind"], vectors.kinds[0])).combine_chunks()
    if len(rows) > 2 * MOST_NOTES:
        return None
    commits = rows["_commit_version"].to_numpy().astype(np.int64)
    there = pc.is_in(rows["_change_type"], pa.array(THERE)).to_numpy()
    # A note that was deleted and came back has another key: what counts is the last that happened under any.
    note_ids = rows["note_id"].combine_chunks()
    numbers = note_ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    last = last_rows(numbers, commits, there)
    keys = rows["item_key"].to_numpy()[last]
    return _Feed(keys, commits[last], there[last], note_ids.take(pa.array(last)), files)


def _plain(rows: pa.Table) -> pa.Table:
    """Return rows with strings where deltalake made views of strings, which few of Arrow's functions take."""
    fields = [field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _encode(vectors: StoredVectors, codebook: Codebook, feed: _Feed) -> pa.Table:
    """Return the notes of a feed that are there, coded, as `encoded_schema` says."""
    run = vectors.run
    mine = np.flatnonzero(feed.there)
    mine = mine[np.argsort(feed.keys[mine])]
    last = (feed.keys[mine], feed.commits[mine])
    files = [file for _, file in feed.files]
    versions = {file.path: number for number, file in feed.files}
    schema = encoded_schema(run)
    with shared(run, files, (codebook, last)) as known:
        read = make_change_reader(
            ["item_key", "note_id", "vector"], vectors.kinds, run.model.generation, versions, lambda: known()[1]
        )
        encode = make_encode(lambda: known()[0], to_arrow_schema(schema, timezone="UTC"))
        return FileRows(run, files, read).collect(encode, schema)
