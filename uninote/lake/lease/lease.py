"""The right to write to a lake, held by one run at a time.

A lease is a chain of numbered files in `<lake>/leases`. A run takes the lease by creating the next number, and says every
quarter of a term that it is there, by creating the next one again. A lease has lapsed when nothing came for a whole term,
by the clock of whoever waits for it: clocks of two hosts are never compared. The number under which a run took the lease is
its own: what it commits carries that number (see `fence`), and a later holder's is higher.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from uninote.errors import UninoteError
from uninote.lake.lease.chain import Chain, Link
from uninote.lake.lease.process import Process
from uninote.storage.lake_files import join

FOLDER = "leases"
TERM_S = 60.0
_SIGNS = 4  # of life in a term
_POLL_S = 1.0
_KEPT = 8  # files of the chain: who reads the newest while it is replaced finds it
HELD = "held"
RELEASED = "released"


class LakeBusyError(UninoteError):
    """Another run writes to the lake."""


class LeaseLostError(UninoteError):
    """This run's lease lapsed, and another run has taken it."""


@dataclass(frozen=True)
class Entry:
    """One file of the chain: the number and the name of its holder, which process that is, and whether it still holds on."""

    holder: int
    token: str
    job: str
    run_id: str
    process: Process
    state: str
    term_s: float

    def text(self) -> bytes:
        """Return the entry as JSON."""
        return (json.dumps(asdict(self)) + "\n").encode()

    @staticmethod
    def of(link: Link) -> Entry:
        """Return what a file of the chain says. Raises UninoteError where it is no entry."""
        try:
            values = json.loads(link.content)
            return Entry(**{**values, "process": Process(**values["process"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UninoteError(
                f"file {link.number} of the lake's leases is damaged ({error}); make sure that no run writes to the lake, "
                "remove its folder `leases`, and run again: numbers then go on where tables have seen them last"
            ) from error

    def who(self) -> str:
        """Return the holder in words."""
        return f"{self.job} (run {self.run_id}, process {self.process.pid} on {self.process.host})"


class Lease:
    """A lease that was taken. `number` is the holder's; `took_over`: the one before it did not give its lease back."""

    def __init__(self, chain: Chain, link: Link, entry: Entry, took_over: bool) -> None:
        self.number = entry.holder
        self.took_over = took_over
        self._chain = chain
        self._last = link.number
        self._entry = entry
        self._lost: str | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._stay, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseLostError where another run is known to have taken the lease."""
        if self._lost is not None:
            raise LeaseLostError(lost(self._lost))

    def look(self) -> None:
        """Raise LeaseLostError where another run has taken the lease by now, as the lake itself says."""
        self.check()
        last = self._chain.last()
        if last is not None and Entry.of(last).token != self._entry.token:
            self._lost = Entry.of(last).who()
            self.check()

    def release(self) -> None:
        """Give the lease back: the next run need not wait."""
        self._stop.set()
        self._thread.join()
        if self._lost is None:
            self._add(RELEASED)

    def _stay(self) -> None:
        while not self._stop.wait(self._entry.term_s / _SIGNS):
            if not self._add(HELD):
                return

    def _add(self, state: str) -> bool:
        """Say that this run still holds the lease, or does no more. Returns False where another run has taken it."""
        try:
            with self._lock:
                self._last = self._chain.add(self._last, replace(self._entry, state=state).text()).number
                self._chain.trim(_KEPT)
        except FileExistsError:
            taken = self._chain.last()
            self._lost = Entry.of(taken).who() if taken is not None else "another run"
            return False
        except OSError:
            # The store does not answer. Tried again at the next turn; if it lapses meanwhile, commits are still fenced.
            pass
        return True


def take(
    lake: str, job: str, run_id: str, term_s: float = TERM_S, say: Callable[[str], None] = lambda _: None
) -> Lease:
    """Take the lease of the lake at `lake` for a run.

    Raises LakeBusyError where another run holds it. A run on this machine that has died is known to have; of any other that
    did not give its lease back, a sign is waited for, one term long.
    """
    chain = Chain(join(lake, FOLDER))
    free = _free(chain, say)
    # Behind the very file that was found free: whatever comes between is another run, and takes the number.
    number = free.number if free is not None else 0
    entry = Entry(number + 1, uuid.uuid4().hex, job, run_id, Process.own(), HELD, term_s)
    try:
        link = chain.add(number, entry.text())
    except FileExistsError as error:
        taken = chain.last()
        raise LakeBusyError(busy(Entry.of(taken)) if taken is not None else "another run took the lease") from error
    return Lease(chain, link, entry, took_over=free is not None and Entry.of(free).state == HELD)


def _free(chain: Chain, say: Callable[[str], None]) -> Link | None:
    """Return the newest file of a lease that nobody holds: given back, or lapsed; null where there never was one.

    Raises LakeBusyError.
    """
    last = chain.last()
    if last is None:
        return None
    holder = Entry.of(last)
    if holder.state == RELEASED or holder.process.is_dead():
        return last
    say(f"the lake is held by {holder.who()}; waiting up to {holder.term_s:.0f} s for a sign of it")
    ends = time.monotonic() + holder.term_s
    while time.monotonic() < ends and not holder.process.is_dead():
        time.sleep(min(_POLL_S, holder.term_s / 10))
        now = chain.last()
        if now is not None and now.number != last.number:
            entry = Entry.of(now)
            if entry.state == RELEASED:
                return now
            raise LakeBusyError(busy(entry))
    return last


def took_part(number: int) -> bytes:
    """Return what a file of the chain says where a lake lost its leases: that the holder `number` gave its lease back."""
    return Entry(number, "", "", "", Process("", "", 0, ""), RELEASED, TERM_S).text()


def busy(holder: Entry) -> str:
    """Return what to tell whoever finds a lake in use."""
    return (
        f"another run writes to this lake: {holder.who()}. One run may write to a lake at a time: let it end, or stop it, "
        "then run this again"
    )


def lost(holder: str) -> str:
    """Return what to tell a run that finds its lease taken."""
    return (
        f"this run was silent for so long that its lease on the lake lapsed, and {holder} took it: nothing more was written. "
        "Let that run end, then run this again; what was committed before is kept"
    )
