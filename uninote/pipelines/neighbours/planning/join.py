"""What a full join and an update share: the rows that are joined, the rules, and where the lists lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import BooleanType, IntegerType, LongType, StringType, StructField, StructType

from udfs.arrow import ArrowMap
from udfs.neighbours.attributes import AttributeColumns, make_with_attributes
from udfs.neighbours.diversity import Diversity
from udfs.neighbours.full_join import JoinTask, OwnBackground
from udfs.neighbours.recall import Sampled
from uninote.confidence.stored_maps import StoredMap, read_maps
from uninote.lake.delta_files import present_files
from uninote.lake.reserved import CODES
from uninote.lake.schemas import (
    CONFIDENCE_MAPS,
    VECTOR,
    TableSpec,
    neighbour_background_table,
    neighbour_rows_table,
    neighbour_state_table,
)
from uninote.neighbours.background import BACKGROUND_NOTES, Background
from uninote.neighbours.by_rule.attributes import Attribute, attributes_of
from uninote.neighbours.by_rule.rules import Rule
from uninote.neighbours.kernel.settings import Search
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors, VectorSample, with_bytes
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours.planning.attributes import columns_of, rule_of
from uninote.pipelines.neighbours.planning.plan import Truth, sample_truth
from uninote.vectors.sampling import first_in_order

STAGED = "neighbours"


@dataclass(frozen=True)
class Join:
    """One run's work: the notes' vectors of one width, in the versions of a snapshot.

    `diversities` are those of tables by codes, from when it is known how many candidates their lists keep.
    """

    run: Run
    vectors: StoredVectors
    diversities: dict[str, Diversity] = field(default_factory=dict)

    @cached_property
    def sample(self) -> VectorSample:
        """How many notes there are, and a sample of them, to measure recall by, without its vectors."""
        return self._first_drawn(self.run.config.neighbours.recall_sample)

    @cached_property
    def background_keys(self) -> np.ndarray:
        """The keys, int64 ascending, of the notes that a full join makes backgrounds of."""
        return self.background_sample.keys

    @cached_property
    def background_sample(self) -> VectorSample:
        """Those notes, without their vectors."""
        return self._first_drawn(BACKGROUND_NOTES)

    @cached_property
    def sampled_vectors(self) -> np.ndarray:
        """The vectors of the sample, float32 (m, width): a pass over all vectors, for joins in which no task has them all."""
        return self.vectors_of(self.sample.keys)

    def vectors_of(self, keys: np.ndarray) -> np.ndarray:
        """Return float32 (m, width) of `keys`, of the sample or of the background: both are read together."""
        found, vectors = self._drawn_vectors
        return vectors[np.searchsorted(found, keys)]

    @cached_property
    def _drawn_vectors(self) -> tuple[np.ndarray, np.ndarray]:
        return self.vectors.pick(self._drawn.keys)

    @cached_property
    def _drawn(self) -> VectorSample:
        """The notes of the sample and of the background: both are the first in one order, and one pass finds them."""
        settings = self.run.config.neighbours
        return self.vectors.sample(max(settings.recall_sample, BACKGROUND_NOTES), settings.seed, read_vectors=False)

    def _first_drawn(self, count: int) -> VectorSample:
        drawn = self._drawn
        first = first_in_order(drawn.keys, count, self.run.config.neighbours.seed)
        return replace(drawn, keys=drawn.keys[first], note_ids=drawn.note_ids.take(pa.array(first)))

    @cached_property
    def scanned_truth(self) -> Truth:
        """The exact neighbours of the sample, of more than K, by comparing it with all vectors as they are stored.

        Cells are planned by them, and recall is measured: they are found once for both.
        """
        sample = replace(self.sample, vectors=self.sampled_vectors)
        return sample_truth(self.vectors, sample, self.truth_length)

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
        found = {name: snapshot.versions[name] for name in ("items", snapshot.vectors_name(self.width))}
        # Confidences are part of the lists: another map is news, which takes no join.
        if self._map_version != tables.ABSENT:
            found |= {CONFIDENCE_MAPS.name: self._map_version}
        # Only where a table is made by them are other codes news.
        is_diverse = any(rule.diverse is not None for rule in self.run.config.neighbours.rules.values())
        return found | {CODES: self.codes_version} if is_diverse else found

    @cached_property
    def codes_version(self) -> int:
        """The version of the table of codes, as it is when the run begins."""
        return tables.version_or_absent(self.run.generation.uri(CODES))

    @cached_property
    def _map_version(self) -> int:
        return tables.version_or_absent(self.run.generation.uri(CONFIDENCE_MAPS.name))

    @cached_property
    def maps(self) -> dict[str, StoredMap]:
        """The confidence map of each table that has one, as it is when the run begins. Raises MapError."""
        return {} if self._map_version == tables.ABSENT else read_maps(self.run.generation, self._map_version)

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule of each table, by its name."""
        settings = self.run.config.neighbours
        rules = {name: rule_of(rule, settings.duplicate_score) for name, rule in settings.rules.items()}
        return rules | {name: replace(rules[name], candidates=one.candidates) for name, one in self.diversities.items()}

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that rules look at."""
        return attributes_of(self.run.config.neighbours.rules.values())

    @property
    def list_length(self) -> int:
        """How many entries a stored list has: some more than readers see, for updates that take entries away."""
        return self.run.config.neighbours.k + self.run.config.neighbours.slack

    def candidates(self, name: str) -> int:
        """Return how many entries of a table's stored lists readers' ones are made of: K, or more for diverse lists."""
        return self.rules[name].candidates or self.run.config.neighbours.k

    def search(self, recall: float) -> Search:
        """Return what is looked for where a rule asks for no more."""
        settings = self.run.config.neighbours
        return Search(settings.k, self.list_length, recall, settings.seed)

    def task(self, recall: float, cells: int, background: Background | OwnBackground) -> JoinTask:
        """Return what the executors need to know to reach this `recall` within each of so many cells."""
        search = self.search(recall)
        sampled = Sampled(self.sample.keys, self.truth_length, f"{self.staging_uri}/truth") if cells == 1 else None
        return JoinTask(self.rules, search, self.width, background, sampled)

    @property
    def truth_length(self) -> int:
        """How many exact neighbours of a sampled note are found: what is listed and not among twice K is no true neighbour."""
        return 2 * self.run.config.neighbours.k

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

        Their vectors are lists.
        """
        columns = self.vector_schema.names
        if not self.attributes:
            return self.vectors.scan(function, schema, columns, parts)
        # Attributes are in another table, of which each task reads what it needs: Spark would move the vectors to join them.
        add = make_with_attributes(self._attribute_columns)
        return self.vectors.scan(lambda rows: function(add(rows)), schema, columns, parts)

    def with_attributes(self, rows: DataFrame) -> DataFrame:
        """Return some rows of `vector_schema`, vectors as bytes, as `row_schema`: with the attributes that rules look at."""
        if not self.attributes:
            return rows
        # In a task for each core, as each reads the attributes of all notes.
        some = rows.coalesce(self.run.spark.sparkContext.defaultParallelism)
        return some.mapInArrow(make_with_attributes(self._attribute_columns), with_bytes(self.row_schema))

    def attributes_of(self, note_ids: pa.Array) -> pa.Table:
        """Return note_id, and a column for each attribute that rules look at, of those of some notes that are there."""
        asked = self.run.spark.createDataFrame(pa.table({"note_id": note_ids})).coalesce(1)
        names = [StructField(attribute.name, StringType()) for attribute in self.attributes]
        schema = StructType([StructField("note_id", self.run.note_id), *names])
        return asked.mapInArrow(make_with_attributes(self._attribute_columns), schema).toArrow()

    @cached_property
    def _attribute_columns(self) -> AttributeColumns:
        files = present_files(self.run.lake.uri("notes"))
        return columns_of(self.attributes, [file.path for file in files], self.run.as_of)

    @property
    def rows_spec(self) -> TableSpec:
        """The private table of the rows of each cell, which updates read."""
        return neighbour_rows_table(self.run.note_id, [attribute.name for attribute in self.attributes])

    @property
    def background_spec(self) -> TableSpec:
        """The private table of the notes that backgrounds are made of."""
        return neighbour_background_table(self.run.note_id)

    def state(self, name: str) -> TableSpec:
        """Return the private table behind the neighbour table `name`."""
        return neighbour_state_table(self.run.note_id, name)

    def state_uri(self, name: str) -> str:
        """Return where that lies."""
        return self.run.generation.uri(self.state(name).name)

    @property
    def staging_uri(self) -> str:
        """Where lists lie between the join and the merge."""
        return self.run.staging(STAGED)


def open_join(run: Run, snapshot: Snapshot) -> Join:
    """Return the work on the newest embeddings of the configured width."""
    settings = run.config.neighbours
    return Join(run, StoredVectors(run, snapshot, settings.width or snapshot.widths[0]))
