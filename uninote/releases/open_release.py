"""One release of a lake, opened: all that is read through it belongs together, whatever a refresh writes meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.search import Index
from uninote.lake.paths import GenerationLake, Lake
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import Release, ReleaseError, read_release
from uninote.lake.releases.watching import check_ended, watch_release
from uninote.neighbours.lookup import Entry, NeighbourTable, NoteId
from uninote.storage.lake_files import join
from uninote.storage.types import S3Options


def open_release(lake: str, release: int | None = None) -> OpenRelease:
    """Open the live release of the lake at `lake`, or the one with this id. Raises ReleaseError where there is none."""
    return OpenRelease.of(lake, release)


class OpenRelease:
    """A release for readers, without Spark.

    It stays as it is until the object is dropped: its files are kept for `retention.reader_hours` after it was live. To see
    what is new, open again. Notes that are taken down are left out of look-ups and searches within a second; once they are
    erased, a release that held them is gone, and every method raises ReleaseEndedError.
    """

    def __init__(self, lake: str, release: Release) -> None:
        self.lake = lake
        self.release = release
        self._takedowns = watch_release(lake, release.id)
        self._lists: dict[str, NeighbourTable] = {}

    @classmethod
    def of(cls, lake: str, release: int | None = None) -> OpenRelease:
        """Open the live release of the lake at `lake`, or the one with this id. Raises ReleaseError where there is none."""
        root = str(lake)
        read_record(root)
        pointer = read_pointer(root)
        wanted = pointer.live if release is None else release
        if wanted is None:
            raise ReleaseError(
                f"{root} has no release yet; run jobs/refresh.py, or jobs/release.py once its tables are made"
            )
        check_ended(pointer, wanted)
        if wanted not in pointer.kept:
            kept = ", ".join(map(str, pointer.kept)) or "none"
            raise ReleaseError(f"release {wanted} of {root} is not kept; kept are: {kept}")
        return cls(root, read_release(root, wanted))

    @property
    def id(self) -> int:
        """The number of the release."""
        return self.release.id

    @property
    def generation(self) -> GenerationLake:
        """The part of the lake that belongs to the release's model."""
        return GenerationLake(Lake(self.lake), self.release.generation)

    @property
    def k(self) -> int:
        """How many neighbours a list has at most."""
        return NeighboursConfig.model_validate(self.release.joined.get("settings", {}), strict=False).k

    @property
    def tables(self) -> dict[str, tuple[str, int]]:
        """The tables by name, each with its URI and version: "neighbours" -> ("<lake>/<generation>/neighbours", 7)."""
        found = {}
        for path, version in self.release.tables.items():
            found[self.release.name_of(path)] = (join(self.lake, path), version)
        return found

    def with_table(self, name: str) -> OpenRelease:
        """Return what the release has of the set of vectors that a neighbour table is made of: itself, but for further sets.

        Raises ReleaseError where it has no such table.
        """
        generation = self.release.path(name).partition("/")[0]
        for beside in self.release.beside.values():
            if beside.generation == generation:
                return OpenRelease(self.lake, beside)
        return self

    def table(self, name: str) -> DeltaTable:
        """Open a table at the release's version. Raises ReleaseError where the release has none of that name, or it is lost.

        It has the rows of notes that are taken down, until they are erased: `taken_down(lake)` of
        `uninote.lake.takedowns.watch` says which those are.
        """
        self._takedowns.now()
        path = self.release.path(name)
        uri, version = join(self.lake, path), self.release.tables[path]
        try:
            return DeltaTable(uri, version=version)
        except DeltaError as error:
            self._takedowns.check()
            raise ReleaseError(
                f"version {version} of {uri}, which release {self.id} needs, cannot be read ({str(error).splitlines()[0]}); "
                "roll back to another release: uninote releases rollback"
            ) from error

    def read(self, spark: Any, name: str) -> Any:
        """Return a table as a frame of the Spark session `spark`, with all its rows, as `table` does."""
        self._takedowns.now()
        path = self.release.path(name)
        reader = spark.read.format("delta").option("versionAsOf", self.release.tables[path])
        return reader.load(join(self.lake, path))

    def lookup(self, note_ids: Sequence[NoteId], table: str = "neighbours") -> dict[NoteId, list[tuple[NoteId, float]]]:
        """Return what `uninote.neighbours.lookup.lookup` does, out of this release."""
        return self._table_of(table).get(note_ids)

    def entries(self, note_ids: Sequence[NoteId], table: str = "neighbours") -> dict[NoteId, list[Entry]]:
        """Return what `lookup` does, with strengths and confidences."""
        return self._table_of(table).entries(note_ids)

    def _table_of(self, table: str) -> NeighbourTable:
        if table not in self._lists:
            path = self.release.path(table)
            uri = join(self.lake, path)
            self._lists[table] = NeighbourTable(uri, self.release.tables[path], self._takedowns)
        return self._lists[table]

    def index(self, width: int | None = None, options: S3Options | None = None, cache: str | None = None) -> Index:
        """Open the index of a width, null: the widest. Raises ReleaseError where the release has none of that width."""
        self._takedowns.now()
        widths = sorted((int(name.removeprefix("w")) for name in self.release.indexes), reverse=True)
        chosen = width or (widths[0] if widths else 0)
        if chosen not in widths:
            raise ReleaseError(
                f"release {self.id} has no index of width {chosen}; it has {', '.join(map(str, widths)) or 'none'}"
            )
        pin = self.release.indexes[f"w{chosen}"]
        folder = IndexFolder(pin.place(self.lake), options or S3Options(), cache)
        try:
            return Index.open(folder, lake_id=self.release.lake_id, manifest=pin.manifest, takedowns=self._takedowns)
        except UninoteError:
            # Its files go with a release that ends.
            self._takedowns.check()
            raise
