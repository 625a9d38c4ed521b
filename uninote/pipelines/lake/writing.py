"""A job's right to write to a lake: the lease taken, tables fenced where the run before did not end, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deltalake import DeltaTable

from uninote.lake.commits import CommitConflictError, commit
from uninote.lake.lease.fence import OPERATION, commits_under
from uninote.lake.lease.lease import FOLDER as LEASES
from uninote.lake.lease.lease import take
from uninote.lake.paths import RUN_PREFIX, STAGING
from uninote.pipelines.lake.generations import find_generations
from uninote.pipelines.runtime.progress import say
from uninote.storage.lake_files import folders_in, is_folder, join, names_in, remove_folder

_LOG = "_delta_log"
_DEPTH = 3  # of tables below a lake: <generation>/embeddings/w64


@contextmanager
def writing(lake: str, job: str, run_id: str) -> Iterator[None]:
    """Hold the lease of a lake. Raises LakeBusyError where another run does; then nothing was written.

    A job that makes nothing, as of a lake whose name was mistyped, leaves nothing.
    """
    is_new = not is_folder(lake)
    lease = take(lake, job, run_id, say=say)
    try:
        with commits_under(lease):
            if lease.took_over:
                say("the run before this one did not end: its commits are fenced off")
                for uri in tables_below(lake):
                    _fence(uri)
            _remove_staged(lake)
            yield
            _remove_staged(lake)
    finally:
        lease.release()
        _remove_unused(lake, is_new)


def _remove_unused(lake: str, is_new: bool) -> None:
    """Remove the lease's folder from a lake that has nothing else, and a folder that was made for it."""
    if folders_in(lake) == [LEASES] and not names_in(lake):
        remove_folder(join(lake, LEASES))
        if is_new:
            # Not a tree: should a run have begun to write here, its files keep the folder.
            with suppress(OSError):
                Path(lake).rmdir()


def _remove_staged(lake: str) -> None:
    """Remove what runs held for themselves, this one and those that died: whoever has the lease is the only one at work."""
    for place in (lake, *(join(lake, name) for name in find_generations(lake))):
        staging = join(place, STAGING)
        for name in folders_in(staging):
            if name.startswith(RUN_PREFIX):
                remove_folder(join(staging, name))


def _fence(uri: str) -> None:
    """Commit this run's number to a table and nothing else. The run before may still commit until that has succeeded."""
    while True:
        try:
            commit(uri, DeltaTable(uri, without_files=True).version(), [], OPERATION)
        except CommitConflictError:
            continue
        return


def tables_below(uri: str, depth: int = _DEPTH) -> Iterator[str]:
    """Yield the Delta tables at and below a folder."""
    folders = folders_in(uri)
    if _LOG in folders:
        yield uri
    elif depth:
        for name in folders:
            yield from tables_below(join(uri, name), depth - 1)
