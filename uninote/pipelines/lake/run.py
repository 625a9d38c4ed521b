"""One run of one or more stages: what every stage needs to know, and the ledger it writes to."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from uninote.config.overrides import redact_override
from uninote.config.sections.sources import IngestConfig
from uninote.config.settings import Config
from uninote.foreign_vectors.table import VectorTable, open_table
from uninote.lake import record as lake_record
from uninote.lake.paths import GenerationLake, Lake, staging_name
from uninote.observe.observers import Observers
from uninote.pipelines.lake import ledger as ledger_table
from uninote.pipelines.lake import migrations as lake_migrations
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.encoders import open_model, s3_of
from uninote.pipelines.lake.generations import ModelFolder
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.source import ingest_settings
from uninote.pipelines.runtime.cores import cores_of
from uninote.pipelines.runtime.gpus import computes_on_gpus


def new_run_id() -> str:
    """Return an id that sorts by the time of its making, and that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


@dataclass(frozen=True)
class Run:
    """The session, the configuration with its overrides, and an id that all rows of this run can be traced to.

    `allow_deletes`: an ingest may delete any share of the notes. `reads_only`: the run has no lease, and writes no table of the
    lake but its entries in the ledger. `stage_seconds`: what each stage of this run took so far, in
    the order in which they ended; one that found nothing to do leaves no entry in the ledger. `outcomes`: what each stage of
    this run that ended wrote there, by unit. `observers` are told of stages; null where nobody is.
    `asked`: what a job is asked to do beyond what its stage always does, null: nothing.
    After `deadline`, seconds since the epoch, a refresh begins no more; null: never.
    """

    spark: SparkSession
    config: Config
    overrides: tuple[str, ...] = ()
    allow_deletes: bool = False
    reads_only: bool = False
    run_id: str = field(default_factory=new_run_id)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    observers: Observers | None = None
    deadline: float | None = None
    asked: str | None = None

    @cached_property
    def lake(self) -> Lake:
        """The lake this run works on, of the present format."""
        return lake_migrations.open_lake(self.config.lake, self.reads_only)

    @cached_property
    def lake_id(self) -> str:
        """The lake's id, which every artefact that lies outside of it carries."""
        return lake_record.lake_id(self.lake)

    @cached_property
    def model(self) -> ModelFolder:
        """The configured checkpoint; its weights are hashed once a run."""
        # Opened first: the choice may depend on the ledger, which must be of the present format.
        lake_migrations.open_lake(self.config.lake, self.reads_only)
        return open_model(self.config, lambda: computes_on_gpus(self.spark.sparkContext, self.config.model.gpu))

    @cached_property
    def vector_table(self) -> VectorTable | None:
        """The table of foreign vectors as it is when it is first asked for; null where a model makes the vectors."""
        settings = self.config.embed.vectors_from
        return None if settings is None else open_table(settings, s3_of(self.config))

    @cached_property
    def embeddings(self) -> dict[str, Run]:
        """A run for each further set of vectors that neighbour tables are made of, which works in a generation of its own."""
        used = {rule.embedding for rule in self.config.neighbours.tables.values()}
        runs = {}
        for name in sorted(filter(used.__contains__, self.config.embeddings)):
            config = self.config.of_embedding(name).model_copy(update={"as_of": self.as_of.isoformat()})
            # What they take and count is not what the stages of the lake's model do.
            runs[name] = replace(self, config=config, stage_seconds={}, outcomes={})
        return runs

    @cached_property
    def ingest(self) -> IngestConfig:
        """Where notes come from and how they are read, as it was when the run first asked."""
        return ingest_settings(self.config)

    def staging(self, name: str) -> str:
        """Return the URI, in the generation, of a folder for what this run holds for itself."""
        return self.generation.uri(staging_name(self.run_id, name))

    @property
    def generation(self) -> GenerationLake:
        """The part of the lake that belongs to the configured model."""
        return GenerationLake(self.lake, self.model.generation)

    @cached_property
    def as_of(self) -> datetime:
        """The time that ages are counted from, in UTC, to the second."""
        given = self.config.as_of
        when = datetime.now(UTC) if given is None else datetime.fromisoformat(given)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)

    @cached_property
    def note_id(self) -> DataType:
        """The type of `note_id` in this lake. Raises MissingTableError before the first ingest."""
        return tables.note_id_type(tables.schema_of(self.lake.uri("notes")))


@dataclass(frozen=True)
class Outcome:
    """What a stage has to say for the ledger. `inputs` and `outputs`: versions of the tables it read and left.

    `next_key`, `as_of`: see the table RUNS.
    """

    state: str
    counts: Mapping[str, int]
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    next_key: int | None = None
    as_of: datetime | None = None


def record(run: Run, stage: str, unit: str, outcome: Outcome, started: float) -> None:
    """Append one line to the ledger. `started` is the `time.time()` at which the stage began."""
    # The first entry makes its lake one of the present format.
    lake_record.lake_id(run.lake)
    entry = {
        "run_id": run.run_id,
        "stage": stage,
        "unit": unit,
        "state": outcome.state,
        "generation": None if stage == "ingest" else run.model.generation,
        "fingerprint": outcome.fingerprint,
        "started_at": datetime.fromtimestamp(started, UTC),
        "seconds": time.time() - started,
        "config_hash": run.config.content_hash(),
        "overrides": list(map(redact_override, run.overrides)),
        "inputs": dict(outcome.inputs),
        "outputs": dict(outcome.outputs),
        "counts": dict(outcome.counts),
        "metrics": dict(outcome.metrics),
        "next_key": outcome.next_key,
        "as_of": outcome.as_of,
        "cores": cores_of(run.spark),
    }
    ledger_table.append(run.lake, entry)
    if outcome.state != "started":
        run.outcomes.setdefault(stage, {})[unit] = outcome


def ledger(run: Run, stage: str) -> list[Entry]:
    """Return the entries of `stage` for the configured model, newest first."""
    found = []
    for entry in reversed(all_entries(run)):
        if entry["stage"] == stage:
            found.append(entry)
    return found


def last_entry(run: Run, stage: str, unit: str) -> Entry | None:
    """Return the newest finished entry of `stage` and `unit`, null when there is none."""
    for entry in ledger(run, stage):
        if entry["unit"] == unit and entry["state"] == "done":
            return entry
    return None


def newest_entries(run: Run) -> dict[tuple[str, str], Entry]:
    """Return the newest entry of each (stage, unit) that came to an end, in the order in which they did."""
    newest = {}
    for entry in all_entries(run):
        if entry["state"] != "started":
            newest[entry["stage"], entry["unit"]] = entry
    return newest


def all_entries(run: Run) -> list[Entry]:
    """Return what the ledger says of the configured model, oldest first. Spark would plan longer than this reads."""
    # Entries of ingest belong to no model.
    ours = (None, run.model.generation)
    return [entry for entry in ledger_table.entries(run.lake) if entry["generation"] in ours]
