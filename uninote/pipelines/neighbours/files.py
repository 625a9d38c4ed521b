"""The files of neighbour lists, as tasks write them: collected, merged with older ones, and made a table's version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType

from udfs.neighbours.files import (
    FILE_ROWS,
    PARTIAL,
    WRITTEN,
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
from uninote.pipelines.lake.stored_vectors import scan_files
from uninote.pipelines.neighbours.join import Join

_SAMPLES_A_FILE = 32  # of note_ids, to cut all of them into files of about one size
TOLD = StructType(
    [StructField(name, LongType() if name in ("size", "rows") else StringType()) for name in ("table", *WRITTEN)]
)
"""What tasks tell of the files they wrote."""


@dataclass(frozen=True)
class Written:
    """A file that a task wrote for one table; `kind` is STATE, PUBLIC, PAIRS or PARTIAL."""

    table: str
    kind: str
    file: DataFile


def make_sink(join: Join) -> Sink:
    """Return what writes whole lists, which come by note_id, to where they belong."""
    folders = {name: _folders(join, name) for name in join.run.config.neighbours.rules}
    return lambda name, lists: write_lists(lists, folders[name])


def make_partial_sink(join: Join) -> Sink:
    """Return what stores lists until they are merged."""
    folder = join.staging_uri
    return lambda name, lists: write_partial(lists, f"{folder}/{name}")


def collect(told: DataFrame) -> list[Written]:
    """Run the tasks, and return the files that they wrote."""
    return [
        Written(table, kind, DataFile(path, size, rows, json.loads(low), json.loads(high)))
        for table, kind, path, size, rows, low, high in told.collect()
    ]


def rewrite(
    join: Join, name: str, partial: Sequence[Written], old: Sequence[DataFile], gone: np.ndarray
) -> list[Written]:
    """Merge `partial` lists of a table with its `old` files, less what is `gone`: into files of its state and for readers.

    Old files are in order of their bounds, which do not overlap; each of them is made anew by one task. Without any, the
    note_ids are cut into parts of about FILE_ROWS.
    """
    run, files = join.run, [one.file for one in partial if one.table == name and one.kind == PARTIAL]
    bounds = [file.low for file in old[1:] if file.low is not None] if old else _bounds(join)
    schema = StructType([StructField("part", IntegerType()), StructField("lists", BinaryType())])
    rows = scan_files(run, files, make_reader(LISTS), make_parts(bounds), schema)
    count = len(bounds) + 1
    part, nothing = F.col("id").cast("int").alias("part"), F.lit(None).cast("binary").alias("lists")
    marks = run.spark.range(count).select(part, nothing)  # a part may get no lists
    by_part = marks.union(rows).repartitionById(count, F.col("part"))
    shared = run.spark.sparkContext.broadcast(gone)
    before: list[str | None] = [file.path for file in old] or [None] * count
    make = make_rewrite(_folders(join, name), make_reader(LISTS), before, lambda: shared.value)
    told = by_part.mapInArrow(make, StructType(TOLD.fields[1:])).select(F.lit(name).alias("table"), *WRITTEN)
    written = collect(told)
    shared.destroy()
    return written


def of_kind(written: Sequence[Written], table: str, kind: str) -> list[DataFile]:
    """Return the files of one kind that were written for a table."""
    return [one.file for one in written if (one.table, one.kind) == (table, kind)]


def _folders(join: Join, name: str) -> ListFolders:
    settings = join.run.config.neighbours
    public = join.run.generation.uri(neighbours_table(join.run.note_id, name).name)
    made_later, pairs = settings.rules[name].ranks, f"{join.staging_uri}/pairs" if name == "neighbours" else None
    places = (join.state_uri(name), None if made_later else public, pairs)
    return ListFolders(*places, join.kept, settings.k, settings.duplicate_score)


def _bounds(join: Join) -> list[str | int]:
    """Return note_ids that cut all of them into parts of about FILE_ROWS."""
    parts = -(-join.rows // FILE_ROWS)
    sample = join.survey.note_ids
    if parts * _SAMPLES_A_FILE > len(sample) and len(sample) < join.rows:
        seed = join.run.config.neighbours.seed
        sample = join.vectors.survey(parts * _SAMPLES_A_FILE, seed, read_vectors=False).note_ids
    ids = sorted(sample.to_pylist())
    return [ids[len(ids) * part // parts] for part in range(1, parts)]
