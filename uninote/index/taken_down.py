"""The takedowns of the lake that an index lies in, found by where the index lies."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Manifest
from uninote.index.note_keys import NoteKeys
from uninote.lake.takedowns.orders import FOLDER
from uninote.lake.takedowns.watch import Watch
from uninote.storage.lake_files import join, parent
from uninote.storage.local import local_path
from uninote.storage.types import MissingFileError, is_object_store


@dataclass(frozen=True)
class _BesideIndex:
    """The folder of takedowns, asked as the index is: its store may be another than the environment's."""

    folder: IndexFolder

    def names(self) -> list[str]:
        return list(self.folder.sizes())

    def read(self, name: str) -> bytes | None:
        try:
            return self.folder.read(name)
        except MissingFileError:
            return None


def holds_any(folder: IndexFolder, manifest: Manifest, names: Collection[str]) -> bool:
    """Say whether a file that a manifest names has one of some notes, ids as texts, found by searches or not."""
    return bool(names) and any(NoteKeys(folder.local(shard.keys.name)).names_any(names) for shard in manifest.shards)


def watch_around(folder: IndexFolder) -> Watch | None:
    """Return the list of the lake around <lake>/<generation>/index/w<N>; null where the folder lies in no such place."""
    place = folder.uri.rstrip("/")
    if not is_object_store(place):
        place = str(local_path(place).resolve())
    indexes = parent(place)
    lake = parent(parent(indexes))
    # Of a bucket's own name only the scheme would be left.
    if not indexes.endswith("/index") or not lake or lake.endswith(("/", ":")):
        return None
    return Watch(_BesideIndex(IndexFolder(join(lake, FOLDER), folder.options, folder.cache)))
