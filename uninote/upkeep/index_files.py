"""Which manifests of an index releases keep, and which of its files nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Manifest
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import Release, read_release
from uninote.storage.local import local_path
from uninote.storage.types import is_object_store


def kept_manifests(lake: str, folder: IndexFolder) -> set[str]:
    """Return the names of the manifests in a folder that the kept releases of a lake pin."""
    return manifests_of([read_release(lake, number) for number in read_pointer(lake).kept], lake, folder)


def manifests_of(releases: Iterable[Release], lake: str, folder: IndexFolder) -> set[str]:
    """Return the names of the manifests in a folder that some releases pin."""
    names = set()
    for release in releases:
        for pin in release.indexes.values():
            if _plain(folder.uri) == _plain(pin.place(lake)):
                names.add(pin.manifest)
    return names


def _plain(place: str) -> str:
    """Return a folder in one spelling: one on a disk may be written as a path or as `file:`."""
    return place if is_object_store(place) else str(local_path(place))


def find_unused(folder: IndexFolder, manifests: Sequence[Manifest]) -> list[str]:
    """Return the names of the files of builds that none of `manifests` names."""
    used = set()
    for manifest in manifests:
        used |= {file.name for file in manifest.files}
        # By their names, since manifests of format 2 do not list the template's files.
        used |= {f"template-{manifest.template}.faiss", f"template-{manifest.template}.npz"}
    unused = []
    for name in folder.sizes():
        if name.startswith(("shard-", "template-", "gone-", "trained-")) and name not in used:
            unused.append(name)
    return unused
