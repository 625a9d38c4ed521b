"""The numbers that commits carry, by which a table refuses those of a run whose lease another has taken.

A Delta table remembers, for each application, the number of its last transaction. Ours is the holder's number with a counter
behind it, so that it rises from commit to commit and from holder to holder. Whoever takes over a lease that was not given back
first commits its number into every table. From then on a commit of the run before it fails, wherever that run was stopped:
the version that it was about to write is taken, and the newer number stands in the table.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError

from uninote.errors import UninoteError
from uninote.lake.lease.lease import Lease, LeaseLostError, lost

APP = "uninote.lease"
OPERATION = "FENCE"
_COMMITS = 1 << 24  # of one holder: far more than a run makes
_COMMIT = "uninote.commit"  # the name of a commit, in its log entry
_LOOKED_AT = 5  # versions in which a commit is looked for: others may have come since


class _Fence:
    lease: Lease | None = None
    counter: Iterator[int] = itertools.count(1)


@contextmanager
def commits_under(lease: Lease) -> Iterator[None]:
    """Let every commit of this process carry the number of `lease`."""
    _Fence.lease, _Fence.counter = lease, itertools.count(1)
    try:
        yield
    finally:
        _Fence.lease = None


def next_number(table: DeltaTable | None) -> int | None:
    """Return the number of the commit to make on top of `table`, or that makes it; null where this process holds no lease.

    Raises LeaseLostError where a later holder has committed to the table.
    """
    lease = _Fence.lease
    if lease is None:
        return None
    lease.check()
    last = table.transaction_version(APP) if table is not None else None
    if last is not None and last // _COMMITS > lease.number:
        raise LeaseLostError(lost(f"a run with the lease {last // _COMMITS}"))
    return lease.number * _COMMITS + next(_Fence.counter)


def holder() -> int | None:
    """Return the number of this process's lease, null where it holds none."""
    return None if _Fence.lease is None else _Fence.lease.number


def highest_holder(table: DeltaTable) -> int:
    """Return the number of the last holder that committed to a table, 0 where none did."""
    return (table.transaction_version(APP) or 0) // _COMMITS


def look() -> None:
    """Raise LeaseLostError where this process's lease was taken: for files that are no tables, right before one is replaced."""
    if _Fence.lease is not None:
        _Fence.lease.look()


def number_for(uri: str, version: int | None = None) -> int | None:
    """Return what `next_number` does, for a version of the table at `uri`: its log is read only where it counts."""
    return None if _Fence.lease is None else next_number(DeltaTable(uri, version=version, without_files=True))


def check_made(table: DeltaTable, number: int) -> None:
    """Raise LeaseLostError unless the commit with this number is in the table."""
    last = table.transaction_version(APP)
    if last is None or last < number:
        raise UninoteError(f"{table.table_uri} lacks the commit that was just made to it; run the same command again")
    if last > number:
        raise LeaseLostError(lost(f"a run with the lease {last // _COMMITS}"))


@contextmanager
def committing(table: DeltaTable | None, uri: str, others: Sequence[Transaction] = ()) -> Iterator[CommitProperties]:
    """Yield what deltalake makes its one commit within with: this run's number, and what else a commit says of itself.

    `table` is what the commit goes on top of, null where it makes the table at `uri`. Without another attempt: deltalake would
    put the commit behind one that came between, which nobody has looked at.
    """
    number = next_number(table)
    own = [] if number is None else [Transaction(APP, number)]
    name = uuid.uuid4().hex
    try:
        yield CommitProperties(custom_metadata={_COMMIT: name}, app_transactions=[*others, *own], max_commit_retries=0)
    except DeltaError:
        # The store may have taken the commit while its answer was lost: tried again, it refuses the writer's own file.
        if not _was_made(uri, name):
            raise


def _was_made(uri: str, name: str) -> bool:
    if not DeltaTable.is_deltatable(uri):
        return False
    return any(made.get(_COMMIT) == name for made in DeltaTable(uri, without_files=True).history(_LOOKED_AT))


def action(number: int) -> dict[str, Any]:
    """Return the action of a commit that sets a table's number."""
    return {"txn": {"appId": APP, "version": number, "lastUpdated": int(time.time() * 1000)}}
