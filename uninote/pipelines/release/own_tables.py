"""The tables of a lake whose files are ours to remove: a user may have others in the same folder."""

from __future__ import annotations

from collections.abc import Iterator

from uninote.lake.releases.registry import VACUUM, artefact_of
from uninote.pipelines.lake.generations import find_generations
from uninote.pipelines.lake.lease.fencing import tables_below
from uninote.storage.lake_files import relative


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
