"""What a full join and a night share: the rows that are joined, the rules, and where the lists lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, FloatType, LongType, StringType, StructField, StructType

from udfs.arrow_vectors import read_rows
from udfs.neighbour_lists import make_merge
from udfs.neighbours import JoinTask
from uninote.config import RuleConfig
from uninote.neighbours.rules import Rule
from uninote.pipelines import tables
from uninote.pipelines.run import Run
from uninote.pipelines.snapshot import Snapshot
from uninote.schemas import VECTOR, TableSpec, neighbour_state_table

STAGING = "staging/neighbours"
CELLS = TableSpec(
    "neighbour_cells",
    StructType(
        [StructField("item_key", LongType()), StructField("overlap", LongType()), StructField("vector", VECTOR)]
    ),
    ("item_key",),
)
"""The cells of the last full join: `item_key` is the cell's number, `vector` its centroid."""


@dataclass(frozen=True)
class Join:
    """One run's work: `rows` notes of `width`, in the versions of a snapshot."""

    run: Run
    snapshot: Snapshot
    width: int
    rows: int

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the tables that lists depend on."""
        return {name: self.snapshot.versions[name] for name in ("items", self.snapshot.vectors_name(self.width))}

    @property
    def vectors(self) -> DataFrame:
        """The notes' item_key, note_id and vector."""
        return self.snapshot.vectors(self.width).select("item_key", "note_id", "vector")

    @cached_property
    def note_rows(self) -> DataFrame:
        """`vectors`, and the attributes that rules look at."""
        wanted = self.task(1.0).attributes
        if not wanted:
            return self.vectors
        notes = tables.read_table(self.run.spark, self.run.lake.uri("notes")).select("note_id", *wanted)
        return self.vectors.join(notes, "note_id", "left").select("item_key", "note_id", "vector", *wanted)

    @property
    def kept(self) -> int:
        """How many entries a list of the state has."""
        return self.run.config.neighbours.k + self.run.config.neighbours.slack

    def task(self, recall: float) -> JoinTask:
        """Return what the executors need to know."""
        settings = self.run.config.neighbours
        rules = {name: _rule(rule, settings.duplicate_score) for name, rule in settings.rules.items()}
        return JoinTask(rules, self.kept, recall, settings.seed, self.width)

    def state(self, name: str) -> TableSpec:
        """Return the private table behind the neighbour table `name`."""
        return neighbour_state_table(self.run.note_id, name)

    def state_uri(self, name: str) -> str:
        """Return where that lies."""
        return self.run.generation.uri(self.state(name).name)

    def has(self, name: str) -> bool:
        """Say whether a table and its state have been made."""
        made = (self.state_uri(name), self.run.generation.uri(name))
        return all(tables.has_table(self.run.spark, uri) for uri in made)

    @property
    def lists(self) -> StructType:
        """The columns of lists as they come out of a cell."""
        note_id = self.run.note_id
        fields = {
            "item_key": LongType(),
            "note_id": note_id,
            "neighbour_keys": ArrayType(LongType()),
            "neighbour_ids": ArrayType(note_id),
            "scores": ArrayType(FloatType()),
            "whole": BooleanType(),
        }
        return StructType([StructField(name, kind) for name, kind in fields.items()])

    @property
    def staged(self) -> StructType:
        """The same, with the table they are for."""
        return StructType([StructField("table", StringType()), *self.lists])

    @property
    def staging_uri(self) -> str:
        """Return where lists lie between the join and the merge."""
        return self.run.generation.uri(STAGING)

    @property
    def cells_uri(self) -> str:
        """Return where the cells of the last full join lie."""
        return self.run.generation.uri(CELLS.name)

    def merged(self, partial: DataFrame) -> DataFrame:
        """Return one list for each item_key out of partial ones."""
        by_row = partial.repartition(F.col("item_key")).sortWithinPartitions("item_key")
        return by_row.mapInArrow(make_merge(self.kept), self.lists)

    def save_cells(self, centroids: np.ndarray, overlap: int) -> None:
        """Keep the cells for the nights to come."""
        rows = [(number, overlap, centroid.tolist()) for number, centroid in enumerate(centroids)]
        tables.overwrite(self.run.spark.createDataFrame(rows, CELLS.schema), CELLS, self.cells_uri)

    def load_cells(self, version: int) -> tuple[np.ndarray, int]:
        """Return (centroids float32 (cells, width), overlap)."""
        table = tables.read_table(self.run.spark, self.cells_uri, version).orderBy("item_key").toArrow()
        return read_rows(table.to_batches())[1], int(table["overlap"][0].as_py())


def open_join(run: Run, snapshot: Snapshot) -> Join:
    """Return the work on the newest embeddings of the configured width."""
    width = run.config.neighbours.width or snapshot.widths[0]
    return Join(run, snapshot, width, snapshot.vectors(width).select("item_key").count())


def _rule(rule: RuleConfig, duplicate_score: float) -> Rule:
    return Rule(
        rule.same,
        rule.different,
        tuple((name, tuple(values)) for name, values in sorted(rule.only.items())),
        tuple((name, tuple(values)) for name, values in sorted(rule.never.items())),
        rule.min_score,
        duplicate_score if rule.duplicates == "exclude" else None,
    )
