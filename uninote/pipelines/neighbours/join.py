"""What a full join and a night share: the rows that are joined, the rules, and where the lists lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from udfs.neighbours.cells import vectors_as_bytes
from udfs.neighbours.full_join import JoinTask
from udfs.notes.fingerprints import ArrowMap
from uninote.config.sections.neighbours import RuleConfig
from uninote.lake.schemas import VECTOR, TableSpec, neighbour_rows_table, neighbour_state_table
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.rules import Rule
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.snapshot import Snapshot
from uninote.pipelines.lake.stored_vectors import StoredVectors, Survey, with_bytes

_FRESH, _YES = "fresh_", "yes"  # an attribute made of `updated_at`: null where a note is older
STAGING = "staging/neighbours"


@dataclass(frozen=True)
class Join:
    """One run's work: the notes' vectors of one width, in the versions of a snapshot."""

    run: Run
    vectors: StoredVectors

    @cached_property
    def survey(self) -> Survey:
        """How many notes there are, and a sample of them, to measure recall by."""
        settings = self.run.config.neighbours
        return self.vectors.survey(settings.recall_sample, settings.seed)

    @property
    def width(self) -> int:
        """The width that is joined."""
        return self.vectors.width

    @property
    def rows(self) -> int:
        """How many notes there are."""
        return self.survey.rows

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the tables that lists depend on."""
        snapshot = self.vectors.snapshot
        return {name: snapshot.versions[name] for name in ("items", snapshot.vectors_name(self.width))}

    @property
    def vector_schema(self) -> StructType:
        """The columns of a row by itself: item_key, note_id and vector."""
        kinds = {"item_key": LongType(), "note_id": self.run.note_id, "vector": VECTOR}
        return StructType([StructField(name, kind) for name, kind in kinds.items()])

    @property
    def row_schema(self) -> StructType:
        """The columns of `scan`: those, and the attributes that rules look at."""
        attributes = [StructField(name, StringType()) for name in self.task(1.0).attributes]
        return StructType([*self.vector_schema, *attributes])

    def scan(self, function: ArrowMap, schema: StructType, parts: int | None = None) -> DataFrame:
        """Return what `function` makes of the rows, `row_schema`, of all notes, perhaps in `parts` tasks.

        Their vectors are lists, or bytes where Spark had to move them.
        """
        columns = self.vector_schema.names
        if not self.task(1.0).attributes:
            return self.vectors.scan(function, schema, columns, parts)
        # Attributes are in another table: Spark joins, and moves the vectors.
        rows = self.with_attributes(self.vectors.scan(vectors_as_bytes, with_bytes(self.vector_schema), columns))
        return (rows if parts is None else rows.coalesce(parts)).mapInArrow(function, schema)

    def with_attributes(self, rows: DataFrame) -> DataFrame:
        """Return rows of `vector_schema` as `row_schema`: with the attributes that rules look at."""
        if not (wanted := self.task(1.0).attributes):
            return rows
        notes = tables.read_table(self.run.spark, self.run.lake.uri("notes"))
        notes = notes.select("note_id", *(self._attribute(name) for name in wanted))
        return rows.join(notes, "note_id", "left").select(*self.vector_schema.names, *wanted)

    def attributes_of(self, ids: pa.Array) -> dict[str, np.ndarray]:
        """Return object arrays of the attributes that rules look at, of the notes `ids`, null where None."""
        wanted = self.task(1.0).attributes
        if not wanted:
            return {}
        notes = tables.read_table(self.run.spark, self.run.lake.uri("notes"))
        asked = self.run.spark.createDataFrame(pa.table({"note_id": ids}))
        found = (
            notes.select("note_id", *map(self._attribute, wanted))
            .join(F.broadcast(asked), "note_id", "left_semi")
            .toArrow()
        )
        place = {note_id: number for number, note_id in enumerate(found["note_id"].to_pylist())}
        rows = pa.array([place.get(note_id) for note_id in ids.to_pylist()], pa.int64())
        return {name: np.array(found[name].take(rows).to_pylist(), dtype=object) for name in wanted}

    def _attribute(self, name: str) -> Column:
        if not name.startswith(_FRESH):
            return F.col(name)
        oldest = self.run.as_of - timedelta(days=int(name.removeprefix(_FRESH)))
        return F.when(F.col("updated_at") >= F.lit(oldest), F.lit(_YES)).alias(name)

    @property
    def fresh_days(self) -> list[int]:
        """The ages, in days, up to which notes are neighbours in some table."""
        return sorted({rule.fresh_days for rule in self.run.config.neighbours.rules.values() if rule.fresh_days})

    def aged_since(self, seconds: int) -> np.ndarray:
        """Return int64, the keys of notes whose freshness differs between `seconds`, since the epoch, and now."""
        before, notes = (
            datetime.fromtimestamp(seconds, UTC),
            tables.read_table(self.run.spark, self.run.lake.uri("notes")),
        )
        passed = F.lit(False)
        for days in self.fresh_days:
            first, last = sorted(when - timedelta(days=days) for when in (before, self.run.as_of))
            passed |= (F.col("updated_at") >= F.lit(first)) & (F.col("updated_at") < F.lit(last))
        items = self.vectors.snapshot.read("items").where("kind = 'note'").select("note_id", "item_key")
        found = items.join(notes.where(passed).select("note_id"), "note_id", "left_semi").toArrow()
        return np.asarray(found["item_key"].to_numpy())

    @property
    def kept(self) -> int:
        """How many entries a list of the state has."""
        return self.run.config.neighbours.k + self.run.config.neighbours.slack

    def task(self, recall: float) -> JoinTask:
        """Return what the executors need to know."""
        settings = self.run.config.neighbours
        rules = {name: _rule(rule, settings.duplicate_score) for name, rule in settings.rules.items()}
        return JoinTask(rules, Search(settings.k, self.kept, recall, settings.seed), self.width)

    @property
    def rows_spec(self) -> TableSpec:
        """The private table of rows that nights meet."""
        return neighbour_rows_table(self.run.note_id, self.task(1.0).attributes)

    def state(self, name: str) -> TableSpec:
        """Return the private table behind the neighbour table `name`."""
        return neighbour_state_table(self.run.note_id, name)

    def state_uri(self, name: str) -> str:
        """Return where that lies."""
        return self.run.generation.uri(self.state(name).name)

    @property
    def staging_uri(self) -> str:
        """Return where lists lie between the join and the merge."""
        return self.run.generation.uri(STAGING)


def open_join(run: Run, snapshot: Snapshot) -> Join:
    """Return the work on the newest embeddings of the configured width."""
    settings = run.config.neighbours
    return Join(run, StoredVectors(run, snapshot, settings.width or snapshot.widths[0]))


def _rule(rule: RuleConfig, duplicate_score: float) -> Rule:
    only = [(name, tuple(values)) for name, values in sorted(rule.only.items())]
    fresh = [(f"{_FRESH}{rule.fresh_days}", (_YES,))] if rule.fresh_days else []
    return Rule(
        rule.same,
        rule.different,
        (*only, *fresh),
        tuple((name, tuple(values)) for name, values in sorted(rule.never.items())),
        rule.min_score,
        duplicate_score if rule.duplicates == "exclude" else None,
    )
