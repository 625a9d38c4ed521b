"""A job's right to write to a lake: the lease taken, what others may still write fenced off, and the lease given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uninote.lake.generation_record import find_generations
from uninote.lake.lease.chain import Chain
from uninote.lake.lease.fence import commits_under
from uninote.lake.lease.lease import FOLDER as LEASES
from uninote.lake.lease.lease import take, took_part
from uninote.lake.paths import RUN_PREFIX, STAGING
from uninote.lake.releases.pointer import fence_releases
from uninote.storage.files import end_uploads
from uninote.storage.lake_files import folders_in, is_folder, join, names_in, remove_folder
from uninote.storage.types import S3Options, StorageError
from uninote.terminal import say
from uninote.upkeep.fencing import fence_indexes, fence_tables, highest_number

_IN_STORE = S3Options()
_OLD_S = 3600.0  # of an upload that nobody is at work on any more
_CLOCK_S = 60.0  # a store's answers have whole seconds, and its hosts not quite the same


@contextmanager
def writing(
    lake: str, job: str, run_id: str, indexes: str | None = None, options: S3Options = _IN_STORE
) -> Iterator[None]:
    """Hold the lease of a lake, whose indexes lie in the folder `indexes`, or where that is null in the lake.

    Raises LakeBusyError where another run holds the lease; then nothing was written. A job that makes nothing, as of a lake
    whose name was mistyped, leaves nothing.
    """
    is_new = not is_folder(lake)
    _number_again(lake, indexes, options)
    lease = take(lake, job, run_id, say=say)
    try:
        with commits_under(lease):
            if lease.took_over:
                say("the run before this one did not end: its commits are fenced off")
                fence_tables(lake)
                fence_indexes(lake, indexes, options, lease.number)
                fence_releases(lake, lease.number)
            _remove_staged(lake, RUN_PREFIX)
            # The lake's own uploads are the dead run's where that did not end; a job that only reads may be at others.
            _end_uploads(lake, options, -_CLOCK_S if lease.took_over else _OLD_S)
            if indexes is not None:
                _end_uploads(indexes, options, _OLD_S)
            yield
            # Its own alone: if this run was silent for too long, another is at work by now.
            _remove_staged(lake, RUN_PREFIX + run_id)
    finally:
        lease.release()
        _remove_unused(lake, is_new)


def _number_again(lake: str, indexes: str | None, options: S3Options) -> None:
    """Let numbers go on where they were in a lake that lost its leases: tables refuse lower numbers than they have seen."""
    chain = Chain(join(lake, LEASES))
    if not chain.numbers() and (highest := highest_number(lake, indexes, options)):
        # Another run that finds the same does the same.
        with suppress(FileExistsError):
            chain.add(highest - 1, took_part(highest))


def _remove_unused(lake: str, is_new: bool) -> None:
    """Remove the lease's folder from a lake that has nothing else, and a folder that was made for it."""
    if folders_in(lake) == [LEASES] and not names_in(lake):
        remove_folder(join(lake, LEASES))
        if is_new:
            # Not a tree: should a run have begun to write here, its files keep the folder.
            with suppress(OSError):
                Path(lake).rmdir()


def _remove_staged(lake: str, start: str) -> None:
    """Remove the folders of runs whose names begin with `start`: who has just taken the lease finds those of the dead."""
    for place in (lake, *(join(lake, name) for name in find_generations(lake))):
        staging = join(place, STAGING)
        for name in folders_in(staging):
            if name.startswith(start):
                remove_folder(join(staging, name))


def _end_uploads(folder: str, options: S3Options, older_than_s: float) -> None:
    # Not every account may list them, and not every store can: then they stay, as they would without.
    with suppress(StorageError):
        if ended := end_uploads(folder, options, older_than_s):
            say(f"{ended} uploads that were never finished are given up")
