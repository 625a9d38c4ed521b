"""What makes up an index, as its manifest records it: files of shards, shards of segments, and the index as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from uninote.errors import UninoteError
from uninote.index.files.stored_file import StoredFile
from uninote.index.planning.plan import IndexPlan

FORMAT_VERSION = 4


class IndexRefusedError(UninoteError):
    """The index is complete, and not what was asked for: nobody keeps it fresh any more, or it is another lake's."""


@dataclass(frozen=True)
class ShardFile:
    """One shard: its FAISS file, the file that says which note each key is, and the cells whose rows it holds.

    `vectors` is the file that searches rank again by, null where codes stand alone.
    """

    shard_id: int
    rows: int
    cells: tuple[int, ...]
    index: StoredFile
    keys: StoredFile
    vectors: StoredFile | None = None

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of the shard."""
        return (self.index, self.keys) if self.vectors is None else (self.index, self.keys, self.vectors)


@dataclass(frozen=True)
class Segment:
    """The base, or what changed since it was built.

    `voided` is the file of the keys that no earlier segment answers for any more: those are deleted, or in this one; null
    where there are none. `versions` are those of the tables it was made from, by name.
    """

    segment_id: str
    rows: int
    shards: tuple[ShardFile, ...]
    voided_rows: int
    voided: StoredFile | None
    versions: Mapping[str, int]

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of the segment."""
        shards = tuple(file for shard in self.shards for file in shard.files)
        return shards if self.voided is None else (*shards, self.voided)


@dataclass(frozen=True)
class Manifest:
    """One index: a base segment and, after an update, a second one with what changed since; `live` rows can be found.

    `fingerprint` is the digest of the settings, `template` the hash that names the template's files. `nprobe` is how many
    lists a search must look into as measured, with settings whose digest is `calibration`; `nprobe_asked` what the
    configuration asks for instead, if it does. `lake_id` is the lake's, null where that had none. `stale` says why nobody
    keeps the index fresh any more, "" where somebody does. Nothing in it is a path beyond the folder: it can be moved.
    """

    generation: str
    width: int
    kinds: tuple[str, ...]
    fingerprint: str
    plan: IndexPlan
    template: str
    nprobe: int
    live: int
    segments: tuple[Segment, ...]
    created_at: str
    nprobe_asked: int | None = None
    calibration: str = ""
    template_files: tuple[StoredFile, ...] = ()
    lake_id: str | None = None
    stale: str = ""
    format_version: int = FORMAT_VERSION

    @property
    def lists_searched(self) -> int:
        """How many lists a search looks into unless its caller says otherwise."""
        return self.nprobe if self.nprobe_asked is None else self.nprobe_asked

    @property
    def base(self) -> Segment:
        """The first segment, by far the largest."""
        return self.segments[0]

    @property
    def shards(self) -> tuple[ShardFile, ...]:
        """The shards of all segments."""
        found: list[ShardFile] = []
        for segment in self.segments:
            found += segment.shards
        return tuple(found)

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The files of all segments, the template's apart."""
        found: list[StoredFile] = []
        for segment in self.segments:
            found += segment.files
        return tuple(found)

    @property
    def bytes(self) -> int:
        """The size of `files` in all."""
        return sum(file.bytes for file in self.files)

    @property
    def since(self) -> Segment:
        """What changed since the base was built; an empty segment where nothing did."""
        return self.segments[1] if len(self.segments) > 1 else Segment("", 0, (), 0, None, self.base.versions)

    def check_use(self, lake_id: str | None = None) -> None:
        """Raise IndexRefusedError where the index is stale, or not that of the lake `lake_id`, if one is named."""
        if self.stale:
            raise IndexRefusedError(
                f"the index of width {self.width} is stale ({self.stale}): it may name deleted notes; put the width back "
                "and run jobs/index.py, or remove the index's folder"
            )
        if lake_id is not None and self.lake_id is not None and lake_id != self.lake_id:
            raise IndexRefusedError(
                f"the index of width {self.width} belongs to the lake {self.lake_id}, not to {lake_id}; give each lake an "
                "index.folder of its own"
            )


def rows_in(shards: Iterable[ShardFile]) -> int:
    """Return how many rows some shards have together."""
    return sum(shard.rows for shard in shards)
