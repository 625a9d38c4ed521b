"""What keeps a run that lost its lease from writing: a number of the next holder in every table and every index."""

from __future__ import annotations

from deltalake import DeltaTable

from uninote.index.files.published import fence, places
from uninote.lake.commits import CommitConflictError, commit
from uninote.lake.lease.fence import OPERATION, highest_holder
from uninote.storage.types import S3Options
from uninote.upkeep.places import indexes_of, tables_below


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
