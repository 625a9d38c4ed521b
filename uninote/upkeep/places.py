"""Where the tables and indexes of a lake lie, and which of its tables are ours: a user may have others in the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import ManifestError, read_manifest
from uninote.lake.generation_record import find_generations
from uninote.lake.record import read_record
from uninote.lake.releases.registry import VACUUM, artefact_of
from uninote.storage.lake_files import folders_in, join, relative
from uninote.storage.local import local_path
from uninote.storage.types import S3Options, is_object_store

_LOG = "_delta_log"
_DEPTH = 3  # of tables below a lake: <generation>/embeddings/w64
_INDEX = "index"


def own_tables(lake: str) -> Iterator[str]:
    """Yield the paths, relative to the lake, of the tables whose files go when nothing needs them, as the registry says."""
    generations = find_generations(lake)
    for uri in tables_below(lake):
        path = relative(lake, uri)
        try:
            if artefact_of(path, generations).removed == VACUUM:
                yield path
        except ValueError:
            # Nobody registered it: it is no table of ours.
            continue


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
