"""What a full join and an update share: the rows that are joined, the rules, and where the lists lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegerType, LongType, StringType, StructField, StructType

from udfs.arrow import ArrowMap
from udfs.neighbours.cells import vectors_as_bytes
from udfs.neighbours.full_join import JoinTask
from uninote.lake.schemas import VECTOR, TableSpec, neighbour_rows_table, neighbour_state_table
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.rules import Rule
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors, VectorSample, with_bytes
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours.planning.attributes import Attribute, attributes_of, rule_of

STAGING = "staging/neighbours"


@dataclass(frozen=True)
class Join:
    """One run's work: the notes' vectors of one width, in the versions of a snapshot."""

    run: Run
    vectors: StoredVectors

    @cached_property
    def sample(self) -> VectorSample:
        """How many notes there are, and a sample of them, to measure recall by."""
        settings = self.run.config.neighbours
        return self.vectors.sample(settings.recall_sample, settings.seed)

    @property
    def width(self) -> int:
        """The width that is joined."""
        return self.vectors.width

    @property
    def rows(self) -> int:
        """How many notes there are."""
        return self.sample.rows

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the tables that lists depend on, by name."""
        snapshot = self.vectors.snapshot
        return {name: snapshot.versions[name] for name in ("items", snapshot.vectors_name(self.width))}

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The rule of each table, by its name."""
        settings = self.run.config.neighbours
        return {name: rule_of(rule, settings.duplicate_score) for name, rule in settings.rules.items()}

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that rules look at."""
        return attributes_of(self.run.config.neighbours.rules.values())

    @property
    def list_length(self) -> int:
        """How many entries a stored list has: some more than readers see, for updates that take entries away."""
        return self.run.config.neighbours.k + self.run.config.neighbours.slack

    def task(self, recall: float) -> JoinTask:
        """Return what the executors need to know to reach this `recall` within a cell."""
        settings = self.run.config.neighbours
        search = Search(settings.k, self.list_length, recall, settings.seed)
        return JoinTask(self.rules, search, self.width)

    @property
    def vector_schema(self) -> StructType:
        """The columns of a row without attributes: item_key, note_id and vector."""
        kinds = {"item_key": LongType(), "note_id": self.run.note_id, "vector": VECTOR}
        return StructType([StructField(name, kind) for name, kind in kinds.items()])

    @property
    def row_schema(self) -> StructType:
        """The columns of `scan`: those of `vector_schema`, and the attributes that rules look at."""
        attributes = [StructField(attribute.name, StringType()) for attribute in self.attributes]
        return StructType([*self.vector_schema, *attributes])

    @property
    def replica_schema(self) -> StructType:
        """The columns of rows on their way to cells: a row is sent to several, and one of them is its `primary` cell."""
        cell = [StructField("cell", IntegerType()), StructField("primary", BooleanType())]
        return StructType([*with_bytes(self.row_schema), *cell])

    def scan(self, function: ArrowMap, schema: StructType, parts: int | None = None) -> DataFrame:
        """Return what `function` makes of the rows, `row_schema`, of all notes, perhaps in `parts` tasks.

        Their vectors are lists, or bytes where Spark had to move them.
        """
        columns = self.vector_schema.names
        if not self.attributes:
            return self.vectors.scan(function, schema, columns, parts)
        # Attributes are in another table: Spark joins, and moves the vectors.
        rows = self.with_attributes(self.vectors.scan(vectors_as_bytes, with_bytes(self.vector_schema), columns))
        return (rows if parts is None else rows.coalesce(parts)).mapInArrow(function, schema)

    def with_attributes(self, rows: DataFrame) -> DataFrame:
        """Return rows of `vector_schema` as `row_schema`: with the attributes that rules look at."""
        if not self.attributes:
            return rows
        names = [attribute.name for attribute in self.attributes]
        return rows.join(self._notes(), "note_id", "left").select(*self.vector_schema.names, *names)

    def attributes_of(self, note_ids: pa.Array) -> pa.Table:
        """Return note_id, and a column for each attribute that rules look at, of those of some notes that are there."""
        asked = self.run.spark.createDataFrame(pa.table({"note_id": note_ids}))
        return self._notes().join(F.broadcast(asked), "note_id", "left_semi").toArrow()

    def _notes(self) -> DataFrame:
        notes = tables.read_table(self.run.spark, self.run.lake.uri("notes"))
        return notes.select("note_id", *(attribute.column(self.run.as_of) for attribute in self.attributes))

    @property
    def rows_spec(self) -> TableSpec:
        """The private table of the rows of each cell, which updates read."""
        return neighbour_rows_table(self.run.note_id, [attribute.name for attribute in self.attributes])

    def state(self, name: str) -> TableSpec:
        """Return the private table behind the neighbour table `name`."""
        return neighbour_state_table(self.run.note_id, name)

    def state_uri(self, name: str) -> str:
        """Return where that lies."""
        return self.run.generation.uri(self.state(name).name)

    @property
    def staging_uri(self) -> str:
        """Where lists lie between the join and the merge."""
        return self.run.generation.uri(STAGING)


def open_join(run: Run, snapshot: Snapshot) -> Join:
    """Return the work on the newest embeddings of the configured width."""
    settings = run.config.neighbours
    return Join(run, StoredVectors(run, snapshot, settings.width or snapshot.widths[0]))
