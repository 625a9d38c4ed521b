"""A job's right to write to a lake: the lease taken, tables fenced where the run before did not end, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deltalake import DeltaTable

from uninote.lake.commits import CommitConflictError, commit
from uninote.lake.lease.fence import OPERATION, commits_under
from uninote.lake.lease.lease import take
from uninote.pipelines.runtime.progress import say
from uninote.storage.lake_files import folders_in, join

_LOG = "_delta_log"
_DEPTH = 3  # of tables below a lake: <generation>/embeddings/w64


@contextmanager
def writing(lake: str, job: str, run_id: str) -> Iterator[None]:
    """Hold the lease of a lake. Raises LakeBusyError where another run does; then nothing was written."""
    lease = take(lake, job, run_id, say=say)
    try:
        with commits_under(lease):
            if lease.took_over:
                say("the run before this one did not end: its commits are fenced off")
                for uri in tables_below(lake):
                    _fence(uri)
            yield
    finally:
        lease.release()


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
