"""Which manifests of an index releases keep."""

from __future__ import annotations

from collections.abc import Iterable

from uninote.index.files.folder import IndexFolder
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import Release, read_release


def kept_manifests(lake: str, folder: IndexFolder) -> set[str]:
    """Return the names of the manifests in a folder that the kept releases of a lake pin."""
    return manifests_of([read_release(lake, number) for number in read_pointer(lake).kept], lake, folder)


def manifests_of(releases: Iterable[Release], lake: str, folder: IndexFolder) -> set[str]:
    """Return the names of the manifests in a folder that some releases pin."""
    names = set()
    for release in releases:
        for pin in release.indexes.values():
            if folder.uri == pin.place(lake):
                names.add(pin.manifest)
    return names
