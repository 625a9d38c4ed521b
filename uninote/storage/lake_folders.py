"""Whole folders of a lake, on a disk or in an object store: moved, copied to this machine's disk, and written from there."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.fs as pafs

from uninote.digests import digest
from uninote.storage import lake_files
from uninote.storage.host_copies import once_per_host
from uninote.storage.types import is_object_store


def move_folder(source: str, target: str, last: str) -> None:
    """Make the files below `source` those of the new folder `target`, where the file `last` appears after all others.

    A disk renames the folder. An object store copies each file, so what reads the folder waits for `last`.
    """
    if not is_object_store(target):
        os.rename(source, target)
        return
    # What an attempt that was killed has copied is no part of this one.
    lake_files.remove_folder(target)
    names = [name for name in lake_files.files_below(source) if name != last]
    for name in (*names, last):
        _copy(lake_files.join(source, name), lake_files.join(target, name))
    lake_files.remove_folder(source)


def on_disk(uri: str) -> Path:
    """Return the folder `uri` itself where it lies on a disk, else this machine's copy, fetched again when a file changed.

    Raises FileNotFoundError where nothing lies there.
    """
    if not is_object_store(uri):
        return Path(uri)
    state = lake_files.files_with_times(uri)
    if not state:
        raise FileNotFoundError(f"there are no files below {uri}")
    return once_per_host(f"folder-{digest(uri, sorted(state))}", lambda folder: fetch_folder(uri, folder))


def fetch_folder(uri: str, folder: Path) -> None:
    """Copy all files below `uri` to the same names below `folder`, on this machine's disk; no files make no folder."""
    for name in lake_files.files_below(uri):
        _copy(lake_files.join(uri, name), str(folder / name))


def put_folder(folder: Path, uri: str) -> None:
    """Make the files below `uri` those of a folder of this machine's disk."""
    lake_files.remove_folder(uri)
    for name in lake_files.files_below(str(folder)):
        _copy(str(folder / name), lake_files.join(uri, name))


def _copy(source: str, target: str) -> None:
    """Copy a file by pieces: parts of a training set, and weights, may be larger than memory."""
    lake_files.make_folder(lake_files.parent(target))
    from_files, from_place = lake_files.for_arrow(source)
    to_files, to_place = lake_files.for_arrow(target)
    pafs.copy_files(from_place, to_place, source_filesystem=from_files, destination_filesystem=to_files)
