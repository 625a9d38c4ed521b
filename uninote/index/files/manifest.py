"""A manifest file, which names all files of an index: written as JSON with a checksum, read in three formats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from uninote.index.files import published
from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import FORMAT_VERSION, Manifest, Segment, ShardFile
from uninote.index.files.stored_file import IndexDamagedError, StoredFile
from uninote.index.planning.plan import IndexPlan
from uninote.storage.types import MissingFileError, StorageError

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


_STORED_NAMES = {"voided_rows": "gone_rows", "voided": "gone"}
"""Fields of a Segment, and the names that manifests have for them."""

_Record = TypeVar("_Record", IndexPlan, StoredFile, ShardFile, Segment, Manifest)


def publish_manifest(
    folder: IndexFolder, manifest: Manifest, holder: int | None = None, keep: Collection[str] = ()
) -> None:
    """Make this the manifest of `folder` in one step; its files must be there already.

    `holder` is the number of the lease that the run holds, null for one without. Manifests that releases `keep`, by name,
    stay. Raises PublishedSinceError where another run has published.
    """
    published.add(folder, manifest_json(manifest).encode(), holder, keep)


def manifest_json(manifest: Manifest) -> str:
    """Return the manifest as JSON, keys sorted, with a checksum."""
    values = asdict(manifest)
    for segment in values["segments"]:
        for name, stored in _STORED_NAMES.items():
            segment[stored] = segment.pop(name)
    return json.dumps(values | {_CHECKSUM: checksum_of(values)}, sort_keys=True, indent=1)


def read_manifest(folder: IndexFolder, name: str | None = None) -> Manifest:
    """Return the manifest of an index folder, the newest unless one is named.

    Raises ManifestError when it is missing, damaged or of another format.
    """
    try:
        values = json.loads(published.read_newest(folder) if name is None else folder.read(name))
    except MissingFileError as error:
        raise ManifestError(str(error)) from error
    except (StorageError, ValueError) as error:
        raise ManifestError(
            f"the manifest in {folder} cannot be read as JSON ({error}); restore it or build the index again"
        ) from error
    version = values.get("format_version") if isinstance(values, dict) else None
    # Indexes of the last two formats are read as they are, so that an upgrade does not stop searches.
    if version not in (2, 3, FORMAT_VERSION):
        raise ManifestError(
            f"the manifest in {folder} has format_version {version!r}, this version reads {FORMAT_VERSION}; build the index "
            "again"
        )
    try:
        known = {**_SINCE_2, **values} if version == 2 else _checked(values)
        if version != FORMAT_VERSION:
            known["plan"] = {"rerank": False, **known["plan"]}
        return _manifest({**known, "format_version": FORMAT_VERSION})
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(
            f"the manifest in {folder} is damaged: {error}; restore it or build the index again"
        ) from error


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
