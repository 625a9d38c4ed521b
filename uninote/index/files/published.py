"""Which manifest of an index folder counts: each has a file of its own, `manifest-<holder>-<number>.json`, that replaces none.

`holder` is the number of the lease under which it was written (see `uninote.lake.lease`), `number` counts its manifests. The
newest is that of the highest holder, and of its own the last. So a run whose lease was taken cannot publish any more, even
one that was stopped between its last look at the lease and the creation of the file: as soon as the next holder has a manifest
here, which it makes before it does anything else, readers pass over what the older run adds. No store that a lake may lie in
offers to replace a file only by its holder.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.storage.types import ExistingFileError, MissingFileError

_START = "manifest"
_OLD = "manifest.json"  # the one name that earlier releases had, whose content they replaced
_NAME = re.compile(r"manifest-(\d{12})-(\d{6})\.json")
_KEPT = 2  # the newest, and the one before: readers that have listed it are about to read it
_ATTEMPTS = 10


class PublishedSinceError(UninoteError):
    """Another run has published this index."""


@dataclass(frozen=True, order=True)
class Place:
    """The place of a manifest among all: that of earlier releases is the lowest."""

    holder: int
    number: int

    @property
    def name(self) -> str:
        """The file's name."""
        return _OLD if self.holder < 0 else f"manifest-{self.holder:012d}-{self.number:06d}.json"

    @staticmethod
    def of(name: str) -> Place | None:
        """Return the place that a name says, null for that of another file."""
        if name == _OLD:
            return Place(-1, 0)
        found = _NAME.fullmatch(name)
        return None if found is None else Place(int(found[1]), int(found[2]))


def places(folder: IndexFolder) -> list[Place]:
    """Return the places of all manifests in a folder, the newest last."""
    found = []
    for name in folder.sizes(_START):
        place = Place.of(name)
        if place is not None:
            found.append(place)
    return sorted(found)


def newest(folder: IndexFolder) -> str:
    """Return the name of the manifest that counts. Raises MissingFileError where nothing was published."""
    found = places(folder)
    if not found:
        raise MissingFileError(f"{folder} holds no manifest: no index was published there; build one first")
    return found[-1].name


def read_newest(folder: IndexFolder) -> bytes:
    """Return the content of the manifest that counts. Raises MissingFileError where nothing was published."""
    for _ in range(_ATTEMPTS):
        name = newest(folder)
        try:
            return folder.read(name)
        except MissingFileError:
            # Published twice since the folder was listed; what was the newest then is removed.
            continue
    raise PublishedSinceError(f"{folder} changes faster than it can be read")


def add(folder: IndexFolder, content: bytes, holder: int | None, keep: Collection[str] = ()) -> None:
    """Make `content` the newest manifest, by a run that holds the lease `holder`; null: by one without a lease.

    Older manifests are removed, but the one before and those that releases `keep`, by their names. Raises
    PublishedSinceError where a later holder has a manifest here, or another run published at the same time.
    """
    found = places(folder)
    last = found[-1] if found else Place(-1, 0)
    own = max(last.holder, 0) if holder is None else holder
    if last.holder > own:
        raise _taken(folder, last)
    place = Place(own, last.number + 1 if last.holder == own else 1)
    _create(folder, place, content)
    # Afterwards: the run may have been stopped since it listed the folder.
    found = places(folder)
    if found[-1] != place:
        raise _taken(folder, found[-1])
    for old in found[:-_KEPT]:
        if old.name not in keep:
            folder.remove(old.name)


def fence(folder: IndexFolder, holder: int) -> None:
    """Make the manifest that counts one of the run that holds the lease `holder`: those before it cannot publish any more.

    Without effect where there is none, or one of this holder. Raises PublishedSinceError where there is a later holder's.
    """
    found = places(folder)
    if not found or found[-1].holder == holder:
        return
    if found[-1].holder > holder:
        raise _taken(folder, found[-1])
    _create(folder, Place(holder, 0), read_newest(folder))


def _create(folder: IndexFolder, place: Place, content: bytes) -> None:
    try:
        folder.create(place.name, content)
    except ExistingFileError as error:
        raise _taken(folder, place) from error


def _taken(folder: IndexFolder, by: Place) -> PublishedSinceError:
    return PublishedSinceError(
        f"the index in {folder} was published by another run meanwhile (its lease has the number {by.holder}); nothing was "
        "replaced. Let that run end, then run this again"
    )
