"""Which release readers see: the newest file of a chain, `<lake>/releases/live-<number>.json`, which says all of it.

Each change is a new file, created only if its number is free: readers see one state or the next, and of two who change it at
once the second looks again. A run's changes carry the number of its lease, as its commits to tables do: who takes over a lease
adds a file of its own number, and a run that lost the lease finds that and stops.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from uninote.lake.lease import fence
from uninote.lake.lease.chain import Chain, Link
from uninote.lake.lease.lease import LeaseLostError, lost
from uninote.lake.releases.record import FOLDER, Release, ReleaseError, read_release
from uninote.storage.lake_files import join

_PREFIX = "live-"
_KEPT = 64  # files of the chain: the history that `uninote releases list` shows, and room for readers
_ATTEMPTS = 20


@dataclass(frozen=True)
class Pointer:
    """The state of a lake's releases.

    `live` is the release that readers see, null before the first. `kept`: those whose files are kept, ascending, `live` among
    them. `pinned`: id, as a string, -> why it is kept until it is released. `rejected`: those that somebody rolled back from.
    `replaced`: id, as a string, -> when it stopped being live (UTC, ISO 8601). `work_from`: the release that the next refresh
    brings the tables back to before it does anything, null where it goes on from where they stand. `ended`: those that are
    gone because notes of them were taken down; `endings`: id, as a string, -> when, and why it was pinned if it was.
    `change` says what made this state, `at` when; `holder` is the number of the
    last lease under which a run changed it.
    """

    live: int | None = None
    kept: tuple[int, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[int, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    work_from: int | None = None
    ended: tuple[int, ...] = ()
    endings: Mapping[str, str] = field(default_factory=dict)
    holder: int = 0
    change: str = ""
    at: str = ""

    def text(self) -> bytes:
        """Return the state as JSON."""
        return (json.dumps(asdict(self), sort_keys=True) + "\n").encode()

    @staticmethod
    def of(link: Link) -> Pointer:
        """Return what a file of the chain says. Raises ReleaseError where it says nothing."""
        try:
            values = json.loads(link.content)
            values["kept"], values["rejected"] = tuple(values["kept"]), tuple(values["rejected"])
            values["ended"] = tuple(values.get("ended", ()))
            numbers = (*values["kept"], *values["rejected"], *values["ended"])
            numbers += (values["live"] or 0, values["work_from"] or 0)
            if not all(isinstance(number, int) for number in numbers):
                raise ValueError("releases are not named by numbers")
            return Pointer(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise ReleaseError(
                f"releases/{_PREFIX}{link.number:012d}.json of the lake is damaged ({error}); remove that file, and the state "
                "before it counts"
            ) from error


def read_pointer(lake: str) -> Pointer:
    """Return the state of the releases of the lake at `lake`: an empty one where there never was a release."""
    last = _chain(lake).last()
    return Pointer() if last is None else Pointer.of(last)


def history(lake: str) -> list[Pointer]:
    """Return the states of a lake's releases that are still known, oldest first; of a damaged file one that says so."""
    found = []
    for link in _chain(lake).links():
        try:
            found.append(Pointer.of(link))
        except ReleaseError as error:
            found.append(Pointer(change=str(error)))
    return found


def live_release(lake: str) -> Release | None:
    """Return the release that readers see, null in a lake that never had one. Raises ReleaseError."""
    live = read_pointer(lake).live
    return None if live is None else read_release(lake, live)


def change_pointer(lake: str, change: Callable[[Pointer], Pointer]) -> Pointer:
    """Add the state that `change` makes of the newest one, and return it; called again where somebody was faster.

    Raises LeaseLostError where this process has a lease, and a later holder has changed the state. Where `change` returns
    what it was given, nothing is written.
    """
    chain = _chain(lake)
    for _ in range(_ATTEMPTS):
        last = chain.last()
        before = Pointer() if last is None else Pointer.of(last)
        own = fence.holder()
        if own is not None and before.holder > own:
            raise LeaseLostError(lost(f"a run with the lease {before.holder}"))
        after = change(before)
        if after == before:
            return before
        after = replace(after, holder=before.holder if own is None else own, at=now())
        try:
            chain.add(0 if last is None else last.number, after.text())
        except FileExistsError:
            continue
        chain.trim(_KEPT)
        return after
    raise ReleaseError(f"the releases of {lake} change faster than they can be read; try again")


def fence_releases(lake: str, holder: int) -> None:
    """Let the newest state carry the number of the run that has just taken the lease: the one before changes nothing more."""
    if _chain(lake).last() is not None:
        change_pointer(lake, lambda before: replace(before, holder=holder, change=f"lease {holder} taken over"))


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _chain(lake: str) -> Chain:
    return Chain(join(lake, FOLDER), _PREFIX)
