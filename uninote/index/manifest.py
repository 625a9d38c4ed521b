"""The manifest: which files make up an index, and what they must look like. Readers start here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from uninote.errors import UninoteError
from uninote.index.files import write_whole
from uninote.index.plan import IndexPlan

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


class IndexDamagedError(UninoteError):
    """A part of an index is missing, or is not what the manifest says."""


class ManifestError(IndexDamagedError):
    """There is no manifest, or it is not one that this version can read."""


@dataclass(frozen=True)
class ShardFile:
    """One published shard: its file's name within the index folder, and the lists and cells it holds."""

    shard_id: int
    file: str
    rows: int
    bytes: int
    sha256: str
    lists: tuple[int, ...]
    cells: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """One index. `fingerprint` is that of all that went in, `template` the hash that names the template's files.

    `source_version` is the version of the embeddings table. Nothing in it is a path beyond the folder: it can be
    moved.
    """

    generation: str
    width: int
    fingerprint: str
    source_version: int
    plan: IndexPlan
    template: str
    shards: tuple[ShardFile, ...]
    created_at: str
    format_version: int = FORMAT_VERSION

    @property
    def rows(self) -> int:
        """Vectors in all shards."""
        return sum(shard.rows for shard in self.shards)

    def to_json(self) -> str:
        """Return the manifest as JSON, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    def publish(self, folder: Path) -> None:
        """Make this the manifest of `folder` in one step; its files must be there already."""
        write_whole(folder / MANIFEST, lambda path: _write_text(path, self.to_json()))


_Record = TypeVar("_Record", IndexPlan, ShardFile, Manifest)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an index folder. Raises ManifestError when it is missing, damaged or of another format."""
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError(f"{folder} holds no {MANIFEST}: no index was published there; build one first") from error
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read as JSON ({error}); restore it or build the index again") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise ManifestError(
            f"{path} has format_version {version!r}, this version reads {FORMAT_VERSION}; build the index again"
        )
    try:
        return _from_values(values)
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path} is damaged: {error}; restore it or build the index again") from error


def _from_values(values: dict[str, Any]) -> Manifest:
    plan = _build(IndexPlan, values["plan"])
    shards = tuple(
        _build(ShardFile, shard | {"lists": tuple(shard["lists"]), "cells": tuple(shard["cells"])})
        for shard in values["shards"]
    )
    for shard in shards:
        if Path(shard.file).name != shard.file:
            raise ValueError(f"shard {shard.shard_id} lies at {shard.file!r}, outside of the index folder")
    return _build(Manifest, values | {"plan": plan, "shards": shards})


def _build(kind: type[_Record], values: dict[str, Any]) -> _Record:
    """Make a `kind` of exactly its fields."""
    expected = {field.name for field in fields(kind)}
    if set(values) != expected:
        raise ValueError(f"{kind.__name__} has keys {sorted(values)}, expected {sorted(expected)}")
    return kind(**values)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
