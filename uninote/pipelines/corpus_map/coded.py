"""The notes of a lake with the first two of their codes, and what is counted of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from udfs.corpus_map.words import WHOLE
from uninote.codes.codebook import Codebook
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.run import Run

SAMPLE = 200_000  # notes whose words and vectors are looked at: of larger lakes a part, drawn by their ids
MOST_CODES = 512  # a level, with which a map has a second level: branches come to the driver
BRANCH = ("first", "second")
_PARTS = 1 << 20
_LANGUAGES = 3

Key = tuple[int, int]  # first and second code; WHOLE instead of the second: the branch of the first


@dataclass(frozen=True)
class Coded:
    """The codes of `codebook` in a version of the table."""

    run: Run
    snapshot: Snapshot
    codebook: Codebook
    version: int

    @property
    def uri(self) -> str:
        """Where the table of codes is."""
        return self.run.generation.uri("codes")

    def rows(self, version: int | None = None) -> DataFrame:
        """Return (note_id, first, second) of the notes that are there, in this or another version of the table."""
        table = tables.read_table(self.run.spark, self.uri, self.version if version is None else version)
        mine = table.where(F.col("present") & (F.col("codebook") == self.codebook.version))
        has_second = self.codebook.levels > 1 and self.codebook.size <= MOST_CODES
        second = F.col("codes")[1] if has_second else F.lit(WHOLE)
        return mine.select("note_id", F.col("codes")[0].alias("first"), second.alias("second"))

    def sample(self, notes: int) -> DataFrame:
        """Return the rows of about SAMPLE of all `notes`, the same ones in every run until they are deleted."""
        wanted = min(_PARTS, _PARTS * SAMPLE // max(1, notes))
        return self.rows().where(F.pmod(F.xxhash64("note_id"), F.lit(_PARTS)) < wanted)


def sizes(coded: Coded, version: int) -> dict[Key, int]:
    """Return how many notes each branch of the second level has in a version of the table."""
    found = coded.rows(version).groupBy(*BRANCH).count().toArrow()
    return {(first, second): notes for first, second, notes in rows_of(found)}


def flags(coded: Coded) -> dict[Key, tuple[int, int]]:
    """Return (degraded, truncated) notes of each branch of the second level that has any."""
    items = coded.snapshot.read("items").where("kind = 'note'")
    cut = (F.coalesce("tokens_cut", F.lit(0)) > 0) | (F.coalesce("images_left_out", F.lit(0)) > 0)
    marked = items.select("note_id", F.coalesce("degraded", F.lit(False)).alias("degraded"), cut.alias("truncated"))
    marked = marked.where("degraded OR truncated")
    counts = coded.rows().join(marked, "note_id").groupBy(*BRANCH)
    found = counts.agg(F.count_if("degraded").alias("degraded"), F.count_if("truncated").alias("truncated")).toArrow()
    return {(first, second): (degraded, truncated) for first, second, degraded, truncated in rows_of(found)}


def languages(coded: Coded) -> dict[int, list[tuple[str, int]]]:
    """Return the commonest languages of each branch of the first level with their notes, as far as notes say theirs."""
    notes = tables.read_table(coded.run.spark, coded.run.lake.uri("notes")).where("trim(language) <> ''")
    counts = coded.rows().join(notes.select("note_id", "language"), "note_id").groupBy("first", "language").count()
    best = counts.withColumn("rank", _rank("first", F.desc("count"), F.col("language"))).where(
        F.col("rank") <= _LANGUAGES
    )
    found: dict[int, list[tuple[str, int]]] = {}
    for row in best.orderBy("first", "rank").collect():
        found.setdefault(row["first"], []).append((row["language"], row["count"]))
    return found


def rows_of(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _rank(by: str, *order: Column) -> Column:
    return F.row_number().over(Window.partitionBy(by).orderBy(*order))
