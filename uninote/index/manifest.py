"""The manifest: which files make up an index, and what they must look like. Readers start here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from uninote.errors import UninoteError
from uninote.index.files import IndexDamagedError, StoredFile
from uninote.index.folder import IndexFolder
from uninote.index.plan import IndexPlan
from uninote.storage.types import MissingFileError, StorageError

MANIFEST = "manifest.json"
FORMAT_VERSION = 4
_CHECKSUM = "sha256"  # of all that stands beside it
_SINCE_2: Mapping[str, Any] = {
    "nprobe_asked": None,
    "calibration": "",
    "template_files": (),
    "lake_id": None,
    "stale": "",
}
"""What manifests of format 2 lack: they are read as if they had this. Those of 2 and 3 have no vectors beside codes."""


class ManifestError(IndexDamagedError):
    """There is no manifest, or it is not one that this version can read."""


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

    def to_json(self) -> str:
        """Return the manifest as JSON, keys sorted, with a checksum."""
        values = asdict(self)
        for segment in values["segments"]:
            for name, stored in _STORED_NAMES.items():
                segment[stored] = segment.pop(name)
        return json.dumps(values | {_CHECKSUM: checksum_of(values)}, sort_keys=True, indent=1)

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

    def publish(self, folder: IndexFolder) -> None:
        """Make this the manifest of `folder` in one step; its files must be there already."""
        folder.put(MANIFEST, lambda path: _write_text(path, self.to_json()))


_STORED_NAMES = {"voided_rows": "gone_rows", "voided": "gone"}
"""Fields of a Segment, and the names that manifests have for them."""

_Record = TypeVar("_Record", IndexPlan, StoredFile, ShardFile, Segment, Manifest)


def read_manifest(folder: IndexFolder) -> Manifest:
    """Return the manifest of an index folder. Raises ManifestError when it is missing, damaged or of another format."""
    try:
        values = json.loads(folder.read(MANIFEST))
    except MissingFileError as error:
        raise ManifestError(f"{folder} holds no {MANIFEST}: no index was published there; build one first") from error
    except (StorageError, ValueError) as error:
        raise ManifestError(
            f"{folder}/{MANIFEST} cannot be read as JSON ({error}); restore it or build the index again"
        ) from error
    version = values.get("format_version") if isinstance(values, dict) else None
    # Indexes of the last two formats are read as they are, so that an upgrade does not stop searches.
    if version not in (2, 3, FORMAT_VERSION):
        raise ManifestError(
            f"{folder}/{MANIFEST} has format_version {version!r}, this version reads {FORMAT_VERSION}; build the index again"
        )
    try:
        known = {**_SINCE_2, **values} if version == 2 else _checked(values)
        if version != FORMAT_VERSION:
            known["plan"] = {"rerank": False, **known["plan"]}
        return _manifest({**known, "format_version": FORMAT_VERSION})
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{folder}/{MANIFEST} is damaged: {error}; restore it or build the index again") from error


def rows_in(shards: Iterable[ShardFile]) -> int:
    """Return how many rows some shards have together."""
    return sum(shard.rows for shard in shards)


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without their checksum. Raises ValueError where it is not theirs."""
    rest = dict(values)
    checksum = rest.pop(_CHECKSUM, None)
    if checksum != checksum_of(rest):
        raise ValueError("its checksum is another one's: it was changed after it was written")
    return rest


def checksum_of(values: Mapping[str, Any]) -> str:
    """Return SHA-256 in hexadecimal of all that a manifest says, its checksum apart."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def shard_from(values: Mapping[str, Any]) -> ShardFile:
    """Return the shard that `asdict` made these values of. Raises ValueError when they are not a shard's."""
    known = dict(values)
    known["index"] = _file(values["index"])
    known["keys"] = _file(values["keys"])
    # Shards of format 3, and what a build of then left half done, have no vectors.
    known["vectors"] = None if values.get("vectors") is None else _file(values["vectors"])
    known["cells"] = tuple(values["cells"])
    return _build(ShardFile, known)


def _manifest(values: dict[str, Any]) -> Manifest:
    plan = _build(IndexPlan, values["plan"])
    segments = tuple(map(_segment, values["segments"]))
    if not segments:
        raise ValueError("it names no segment")
    template = tuple(map(_file, values["template_files"]))
    known = {"plan": plan, "segments": segments, "kinds": tuple(values["kinds"]), "template_files": template}
    return _build(Manifest, values | known)


def _segment(values: dict[str, Any]) -> Segment:
    renamed = dict(values)
    for name, stored in _STORED_NAMES.items():
        renamed[name] = renamed.pop(stored)
    renamed["shards"] = tuple(map(shard_from, values["shards"]))
    renamed["voided"] = None if values["gone"] is None else _file(values["gone"])
    return _build(Segment, renamed)


def _file(values: Mapping[str, Any]) -> StoredFile:
    file = _build(StoredFile, values)
    if Path(file.name).name != file.name:
        raise ValueError(f"a file lies at {file.name!r}, outside of the index folder")
    return file


def _build(kind: type[_Record], values: Mapping[str, Any]) -> _Record:
    """Make a `kind` of exactly its fields."""
    expected = {field.name for field in fields(kind)}
    if set(values) != expected:
        raise ValueError(f"{kind.__name__} has keys {sorted(values)}, expected {sorted(expected)}")
    return kind(**values)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
