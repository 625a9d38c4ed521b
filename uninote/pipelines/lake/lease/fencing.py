"""What keeps a run that lost its lease from writing: a number of the next holder in every table and every index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from deltalake import DeltaTable

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import ManifestError, read_manifest
from uninote.index.files.published import fence, places
from uninote.lake.commits import CommitConflictError, commit
from uninote.lake.lease.fence import OPERATION, highest_holder
from uninote.lake.record import read_record
from uninote.storage.lake_files import folders_in, join
from uninote.storage.local import local_path
from uninote.storage.types import S3Options, is_object_store

_LOG = "_delta_log"
_DEPTH = 3  # of tables below a lake: <generation>/embeddings/w64
_INDEX = "index"


def fence_tables(lake: str) -> None:
    """Commit this run's number to every table of a lake and nothing else. The run before may commit until that is done."""
    for uri in tables_below(lake):
        while True:
            try:
                commit(uri, DeltaTable(uri, without_files=True).version(), [], OPERATION)
            except CommitConflictError:
                continue
            break


def fence_indexes(lake: str, elsewhere: str | None, options: S3Options, holder: int) -> None:
    """Give every index of a lake a manifest of this run, the lease's `holder`, that says what the one before did.

    `elsewhere` is the folder of indexes that do not lie in the lake, null where they do.
    """
    for folder in indexes_of(lake, elsewhere, options):
        fence(folder, holder)


def highest_number(lake: str, elsewhere: str | None, options: S3Options) -> int:
    """Return the highest number of a lease that tables or indexes of a lake have seen; 0 where they have seen none."""
    found = 0
    for uri in tables_below(lake):
        found = max(found, highest_holder(DeltaTable(uri, without_files=True)))
    for folder in indexes_of(lake, elsewhere, options):
        for place in places(folder):
            found = max(found, place.holder)
    return found


def tables_below(uri: str, depth: int = _DEPTH) -> Iterator[str]:
    """Yield the Delta tables at and below a folder."""
    folders = folders_in(uri)
    if _LOG in folders:
        yield uri
    elif depth:
        for name in folders:
            yield from tables_below(join(uri, name), depth - 1)


def indexes_of(lake: str, elsewhere: str | None, options: S3Options) -> Iterator[IndexFolder]:
    """Yield the folders of all indexes of a lake: in it, and those `elsewhere` that say that they are this lake's.

    Other lakes, which may have theirs there as well, have numbers of their own.
    """
    yield from _indexes_below(lake, options)
    record = read_record(lake)
    if elsewhere is not None and record is not None:
        for folder in _indexes_below(elsewhere, options):
            with suppress(ManifestError):
                if read_manifest(folder).lake_id == record.lake_id:
                    yield folder


def _indexes_below(uri: str, options: S3Options) -> Iterator[IndexFolder]:
    """Yield the folders `<generation>/index/w<width>` below a lake, or below the folder that indexes have instead."""
    place = uri if is_object_store(uri) else str(local_path(uri))
    for generation in folders_in(place):
        for name in folders_in(join(place, generation, _INDEX)):
            yield IndexFolder(join(place, generation, _INDEX, name), options)
