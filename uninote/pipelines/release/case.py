"""What gates judge: a release that is not live yet, beside the one that is, and what the ledger says of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import read_manifest
from uninote.index.files.records import Manifest
from uninote.lake.releases.record import Release
from uninote.pipelines.index.target import Target, index_folder
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.lake.run import Run, newest_entries
from uninote.pipelines.release.samples import Sample, draw


@dataclass(frozen=True)
class Case:
    """A `release` to be judged; `live` is what readers see now, null where they see none yet."""

    run: Run
    release: Release
    live: Release | None

    @property
    def beside(self) -> dict[str, Case]:
        """What is to be judged of each further set of vectors, by its name."""
        before = {} if self.live is None else self.live.beside
        made = self.release.beside
        return {name: Case(one, made[name], before.get(name)) for name, one in self.run.embeddings.items()}

    @cached_property
    def entries(self) -> Mapping[tuple[str, str], Entry]:
        """The newest entry of each unit of each stage."""
        return newest_entries(self.run)

    @property
    def embedded(self) -> Mapping[str, int]:
        """The counts of the last run of embed."""
        counts: Mapping[str, int] = self.entries["embed", "all"]["counts"]
        return counts

    @property
    def notes(self) -> int:
        """How many notes have a vector."""
        return self.embedded["embedded"] + self.embedded["unchanged"]

    @property
    def tables(self) -> list[str]:
        """The names of the neighbour tables."""
        return list(self.run.config.neighbours.rules)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The embeddings that indexes and lists were made of."""
        return newest_snapshot(self.run)

    def place(self, release: Release, name: str) -> tuple[str, int]:
        """Return the URI and the version of a table in a release."""
        path = release.path(name)
        return self.run.lake.uri(path), release.tables[path]

    @cached_property
    def drawn(self) -> dict[tuple[str, int], Sample]:
        """The samples of lists that were drawn, by table and by how many times as large as the first one."""
        return {}

    def sample(self, name: str, times: int, release: Release | None = None) -> Sample:
        """Return a sample of the lists of a table, of the release itself unless another one is named."""
        of = release or self.release
        key = (f"{of.id} {name}", times)
        if key not in self.drawn:
            settings = self.run.config
            self.drawn[key] = draw(
                *self.place(of, name), times * settings.gates.sample, settings.neighbours.seed + times
            )
        return self.drawn[key]

    def manifest(self, width: int) -> tuple[IndexFolder, Manifest]:
        """Return the folder and the manifest of the index of a width."""
        folder = index_folder(self.run, width)
        return folder, read_manifest(folder, self.release.indexes[f"w{width}"].manifest)

    def target(self, width: int, times: int) -> Target:
        """Return the index of a width, whose recall is to be measured on so many times as many notes."""
        return Target(self.larger(times), self.snapshot, width)

    def larger(self, times: int) -> Run:
        """Return the run, with samples for recall that are so many times as large, and drawn anew."""
        lists = self.run.config.neighbours
        changed = lists.model_copy(update={"recall_sample": times * lists.recall_sample, "seed": lists.seed + times})
        settings = {"neighbours": changed, "as_of": self.run.as_of.isoformat()}
        return replace(self.run, config=self.run.config.model_copy(update=settings))
