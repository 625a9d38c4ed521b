"""The index of one width, as a run finds it: where it lies, what it is made of, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from uninote.config.sections.index import IndexConfig
from uninote.config.settings import Config
from uninote.digests import digest
from uninote.index.files.folder import IndexFolder
from uninote.index.planning.choose import RECALL_OF_CODES, recall_wanted
from uninote.index.planning.plan import IndexPlan
from uninote.lake.paths import index_name
from uninote.pipelines.index.decision import Wanted
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import s3_options

_SHAPING = {"nlist", "pq_m", "opq", "num_shards", "recall_target", "serve_mib", "task_mib", "seed", "kinds"}
ROW_COLUMNS = ("item_key", "note_id", "kind", "vector")  # of the rows that an index is built of


def index_folder(run: Run, width: int) -> IndexFolder:
    """Return where the index of `width` lies."""
    chosen = run.config.index.folder
    if chosen is None:
        return IndexFolder(run.generation.uri(index_name(width)), s3_options(run.config))
    # Below a folder of the user's own, generations must not meet either.
    return IndexFolder(f"{chosen.rstrip('/')}/{run.model.generation}/{index_name(width)}", s3_options(run.config))


@dataclass(frozen=True)
class Calibration:
    """What the number of searched lists is measured by: recall@`k` of a `sample` of so many items, drawn with `seed`."""

    k: int
    sample: int
    seed: int
    recall_target: float | None

    def target_of(self, plan: IndexPlan) -> float:
        """Return the recall that is asked of an index of this plan: unless it is given, that which suits its codes."""
        return recall_wanted(self.recall_target, plan.rerank)

    @property
    def digest(self) -> str:
        """What a manifest keeps, to see whether it must be measured again; another target makes another index anyway."""
        return digest(self.k, self.sample, self.seed)


def calibration_of(config: Config) -> Calibration:
    """Return it as configured: the sample is that of the neighbour lists, so that both recalls are of the same notes."""
    lists = config.neighbours
    return Calibration(lists.k, lists.recall_sample, lists.seed, config.index.recall_target)


def shaping_settings(settings: IndexConfig) -> dict[str, Any]:
    """Return the settings that shape an index, as indexes of earlier releases were named by them.

    A setting that came later is left out where it is as it was before it came: no index is built again for an upgrade.
    """
    shaping = settings.model_dump(include=_SHAPING)
    if settings.recall_target is None:
        # The default of earlier releases.
        shaping["recall_target"] = RECALL_OF_CODES
    if not settings.rerank:
        shaping["rerank"] = False
    return shaping


@dataclass(frozen=True)
class Target:
    """The index of one width in one run, and the vectors that it is made of."""

    run: Run
    snapshot: Snapshot
    width: int

    @cached_property
    def folder(self) -> IndexFolder:
        """Where it lies."""
        return index_folder(self.run, self.width)

    @cached_property
    def versions(self) -> dict[str, int]:
        """The versions of the tables that it is made from, by name."""
        return {name: self.snapshot.versions[name] for name in ("items", self.snapshot.vectors_name(self.width))}

    @cached_property
    def vectors(self) -> StoredVectors:
        """The vectors of all items that are indexed."""
        return StoredVectors(self.run, self.snapshot, self.width, self.run.config.index.kinds)

    @property
    def rows(self) -> int:
        """How many items those are."""
        return self.vectors.count

    @property
    def calibration(self) -> Calibration:
        """What its searches are calibrated with."""
        return calibration_of(self.run.config)

    @cached_property
    def wanted(self) -> Wanted:
        """What the configuration asks for."""
        settings = self.run.config.index
        return Wanted(
            settings=digest(shaping_settings(settings), self.run.model.generation, self.width),
            versions=self.versions,
            calibration=self.calibration.digest,
            nprobe=settings.nprobe,
            retrain=settings.retrain,
            compact_share=settings.compact_share,
            max_drift=settings.max_drift,
        )
