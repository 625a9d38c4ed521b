"""Indexes of releases that lie outside of their lake."""

from __future__ import annotations

from uninote.lake.paths import index_name
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import read_release


def pinned_elsewhere(lake: str) -> dict[str, str]:
    """Return the folders of indexes of kept releases that lie outside of the lake, and what each would be called in it."""
    found = {}
    for number in read_pointer(lake).kept:
        release = read_release(lake, number)
        for name, pin in release.indexes.items():
            if pin.is_elsewhere:
                found[pin.folder] = f"{release.generation}/{index_name(int(name.removeprefix('w')))}"
    return found
