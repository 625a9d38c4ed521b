"""The configuration as a typed, frozen object. Its sections are in `sections`; `loading` reads it from a file."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from uninote.config.sections.base import Location, Section
from uninote.config.sections.codes import CodesConfig
from uninote.config.sections.index import IndexConfig, SearchConfig
from uninote.config.sections.match import MatchConfig
from uninote.config.sections.model import EmbedConfig, ModelConfig
from uninote.config.sections.neighbours import NeighboursConfig, TableName
from uninote.config.sections.observe import ObserveConfig
from uninote.config.sections.releases import CompactionConfig, GatesConfig, RefreshConfig, RetentionConfig
from uninote.config.sections.report import ReportConfig
from uninote.config.sections.serving import ServingConfig
from uninote.config.sections.sources import DemoConfig, IngestConfig, MediaConfig, S3Config
from uninote.config.sections.training import TrainingConfig
from uninote.config.sections.vectors import EmbeddingConfig
from uninote.config.spark_settings import find_conflicts
from uninote.digests import digest
from uninote.lake.table_paths import unusable_part
from uninote.storage.types import OBJECT_STORES, is_object_store


class Config(Section):
    """All settings of the pipeline. `spark` holds further Spark settings, applied after the project's own (`spark_settings`).

    `as_of` is the time that ages are counted from, ISO 8601, in UTC where it names no zone; null: when the run starts.
    """

    lake: Location
    ingest: IngestConfig = IngestConfig()
    model: ModelConfig = ModelConfig()
    demo: DemoConfig = Field(default_factory=DemoConfig)
    media: MediaConfig = MediaConfig()
    s3: S3Config = S3Config()
    embed: EmbedConfig = EmbedConfig()
    codes: CodesConfig = CodesConfig()
    index: IndexConfig = IndexConfig()
    search: SearchConfig = SearchConfig()
    neighbours: NeighboursConfig = NeighboursConfig()
    embeddings: dict[TableName, EmbeddingConfig] = Field(default_factory=dict)
    match: MatchConfig = MatchConfig()
    training: TrainingConfig = TrainingConfig()
    refresh: RefreshConfig = RefreshConfig()
    gates: GatesConfig = GatesConfig()
    retention: RetentionConfig = RetentionConfig()
    compaction: CompactionConfig = CompactionConfig()
    serving: ServingConfig = ServingConfig()
    report: ReportConfig = ReportConfig()
    observe: ObserveConfig = ObserveConfig()
    as_of: str | None = None
    spark: dict[str, str] = Field(default_factory=dict)

    @field_validator("lake")
    @classmethod
    def _is_usable(cls, lake: str) -> str:
        if "://" in lake and not is_object_store(lake):
            raise ValueError(f"should be a folder, or in an object store: {', '.join(OBJECT_STORES)} and a bucket")
        # One spelling, Spark's, or the same lake would have two names.
        lake = re.sub("^s3://", "s3a://", lake, flags=re.IGNORECASE)
        if (part := unusable_part(lake)) is not None:
            raise ValueError(f"holds {part!r}, and Delta's library takes no table there; choose a path without it")
        return lake

    @field_validator("spark")
    @classmethod
    def _leaves_results_right(cls, settings: dict[str, str]) -> dict[str, str]:
        if conflicts := list(find_conflicts(settings)):
            raise ValueError("; ".join(conflicts))
        return settings

    @field_validator("as_of", mode="before")
    @classmethod
    def _is_time(cls, as_of: Any) -> Any:
        # YAML turns what looks like a date into one; the setting is a text.
        if isinstance(as_of, date):
            as_of = as_of.isoformat()
        if isinstance(as_of, str):
            datetime.fromisoformat(as_of)
        return as_of

    @model_validator(mode="after")
    def _have_codes_for_lists(self) -> Self:
        for name, rule in self.neighbours.tables.items():
            if rule.diverse is not None and self.codes.enabled is False:
                raise ValueError(
                    f"neighbours.tables.{name}.diverse needs notes to have codes, and codes.enabled is false"
                )
        return self

    @model_validator(mode="after")
    def _embeddings_are_told_apart(self) -> Self:
        for table, rule in self.neighbours.tables.items():
            if rule.embedding is not None and rule.embedding not in self.embeddings:
                known = ", ".join(self.embeddings) or "none"
                raise ValueError(
                    f"neighbours.tables.{table}.embedding is {rule.embedding!r}, and the section embeddings has {known}; "
                    "name one of those, or add it there"
                )
            if rule.embedding is not None and rule.diverse is not None:
                raise ValueError(
                    f"neighbours.tables.{table}.diverse needs codes, which notes have of the lake's own vectors alone; leave "
                    "it out, or embedding"
                )
        sets = {"embed.vectors_from": self.embed.vectors_from} if self.embed.vectors_from is not None else {}
        names: dict[tuple[str, str], str] = {}
        for name, one in {**sets, **{f"embeddings.{name}": one for name, one in self.embeddings.items()}}.items():
            other = names.setdefault((one.model, one.vector), name)
            if other != name:
                raise ValueError(
                    f"{name} and {other} have the same model and column ({one.model}, {one.vector}), and so the same "
                    "generation; give one of them another model's name"
                )
        return self

    def of_embedding(self, name: str) -> Config:
        """Return the configuration by which tables of one of the `embeddings` are made, as those of a lake's model are."""
        # A further set may have vectors of few notes: those without are counted, and no reason to stop.
        own = {"vectors_from": self.embeddings[name], "kinds": ("note",), "widths": None, "max_quarantined_share": 1.0}
        changed = {
            "embed": self.embed.model_copy(update=own | {"undeclared_widths": False, "layers": None}),
            "neighbours": self.neighbours.of_embedding(name),
            "embeddings": {},
        }
        return self.model_copy(update=changed)

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters that change with any value of the configuration."""
        return digest(self.model_dump(mode="json"))
