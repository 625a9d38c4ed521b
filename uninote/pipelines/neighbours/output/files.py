"""The files of neighbour lists, as tasks write them: collected, merged with older ones, and made a table's version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType

from udfs.neighbours.files import (
    FILE_RECORD,
    FILE_ROWS,
    PARTIAL,
    ListFolders,
    make_parts,
    make_rewrite,
    write_lists,
    write_partial,
)  # fmt: skip
from udfs.neighbours.full_join import Sink
from udfs.neighbours.lists import LISTS
from udfs.table_files import make_reader
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import neighbours_table
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.neighbours.planning.join import Join

_SAMPLES_A_FILE = 32  # of note_ids, to cut all of them into files of about one size
RECORD_FIELDS = StructType(
    [StructField(name, LongType() if name in ("size", "rows") else StringType()) for name in FILE_RECORD]
)
FILE_RECORDS = StructType([StructField("table", StringType()), *RECORD_FIELDS])
"""What tasks report of the files that they wrote, and for which table."""


@dataclass(frozen=True)
class WrittenFile:
    """A file that a task wrote for one table; `kind` is STATE, PUBLIC, PAIRS, PARTIAL, ROWS, PIVOTS or BACKGROUND."""

    table: str
    kind: str
    file: DataFile


@dataclass(frozen=True)
class JoinResult:
    """What a full join or an update made; nothing of it is published yet.

    `counts` are for the ledger. `background`, int64 ascending, are the keys of the notes that backgrounds are made of.
    `added_to` has, by table, the versions of the private tables that an update adds its rows to; null after a full join, which
    replaces them. `seconds` of its parts are for the ledger too, by the names in `costs`.
    """

    counts: Mapping[str, int]
    files: Sequence[WrittenFile]
    background: np.ndarray
    added_to: Mapping[str, int] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


def make_sink(join: Join) -> Sink:
    """Return what writes final lists, which come by note_id, to where they belong."""
    folders = {name: _folders(join, name, join.background_keys) for name in join.rules}
    return lambda name, lists: write_lists(lists, folders[name])


def make_partial_sink(join: Join) -> Sink:
    """Return what stores lists until they are merged."""
    folder = join.staging_uri
    return lambda name, lists: write_partial(lists, f"{folder}/{name}")


def collect_files(records: DataFrame) -> list[WrittenFile]:
    """Run the tasks, and return the files that they wrote; `records` are FILE_RECORDS."""
    written = []
    for row in records.collect():
        file = DataFile(row["path"], row["size"], row["rows"], json.loads(row["low"]), json.loads(row["high"]))
        written.append(WrittenFile(row["table"], row["kind"], file))
    return written


def scan_and_write(join: Join, name: str, records: DataFrame) -> list[WrittenFile]:
    """Run tasks that all write for one table, whose name is not in their records."""
    return collect_files(records.select(F.lit(name).alias("table"), *FILE_RECORD))


@dataclass(frozen=True)
class Rewrite:
    """Partial lists that are merged with `old` files, without the notes `removed`; `background` as in JoinResult."""

    partial: Sequence[WrittenFile]
    background: np.ndarray
    old: Sequence[DataFile] = ()
    removed: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def rewrite(join: Join, name: str, wanted: Rewrite) -> list[WrittenFile]:
    """Merge the partial lists of a table with its old files, as `wanted` says.

    Returns files of its state and for readers. Old files are in order of their bounds, which do not overlap; each is written
    again by one task. Without any, the note_ids are cut into parts of about FILE_ROWS.
    """
    bounds = [file.low for file in wanted.old[1:] if file.low is not None] if wanted.old else _bounds(join)
    by_part = _by_part(join, of_kind(wanted.partial, name, PARTIAL), bounds)
    # One broadcast: each task looks up the notes of its own lists among all that were removed.
    paths: list[str | None] = [file.path for file in wanted.old] or [None] * (len(bounds) + 1)
    shared = join.run.spark.sparkContext.broadcast(wanted.removed)
    make = make_rewrite(_folders(join, name, wanted.background), make_reader(LISTS), paths, lambda: shared.value)
    merged = scan_and_write(join, name, by_part.mapInArrow(make, RECORD_FIELDS))
    shared.destroy()
    return merged


def _by_part(join: Join, files: Sequence[DataFile], bounds: Sequence[str | int]) -> DataFrame:
    """Return the lists in some files, as bytes, a part of the note_ids in each partition."""
    schema = StructType([StructField("part", IntegerType()), StructField("lists", BinaryType())])
    rows = FileRows(join.run, files, make_reader(LISTS)).scan(make_parts(bounds), schema)
    count = len(bounds) + 1
    # A row for each part, since one may get no lists and its old file must be written all the same.
    part = F.col("id").cast("int").alias("part")
    numbers = join.run.spark.range(count).select(part, F.lit(None).cast("binary").alias("lists"))
    return numbers.union(rows).repartitionById(count, F.col("part"))


def of_kind(written: Sequence[WrittenFile], table: str, kind: str) -> list[DataFile]:
    """Return the files of one kind that were written for a table."""
    return [one.file for one in written if (one.table, one.kind) == (table, kind)]


def _folders(join: Join, name: str, sample: np.ndarray) -> ListFolders:
    settings = join.run.config.neighbours
    made_later = settings.rules[name].ranks or name in join.maps
    return ListFolders(
        state=join.state_uri(name),
        public=None if made_later else join.run.generation.uri(neighbours_table(join.run.note_id, name).name),
        pairs=f"{join.staging_uri}/pairs" if name == "neighbours" else None,
        state_length=join.search(1.0).with_candidates(join.candidates(name)).depth,
        k=settings.k,
        duplicate_score=settings.duplicate_score,
        sample=sample,
        min_strength=settings.min_strength_of(name),
    )


def _bounds(join: Join) -> list[str | int]:
    """Return note_ids that cut all of them into parts of about FILE_ROWS."""
    parts = -(-join.rows // FILE_ROWS)
    note_ids = join.sample.note_ids
    # The sample for recall is often too small to cut by; a larger one is read without vectors.
    if parts * _SAMPLES_A_FILE > len(note_ids) and len(note_ids) < join.rows:
        seed = join.run.config.neighbours.seed
        note_ids = join.vectors.sample(parts * _SAMPLES_A_FILE, seed, read_vectors=False).note_ids
    ordered = sorted(note_ids.to_pylist())
    return [ordered[len(ordered) * part // parts] for part in range(1, parts)]
