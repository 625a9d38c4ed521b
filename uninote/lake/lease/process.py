"""Which process this is, among all that a lake may meet: so that one that has died is known to have."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process by its number and its start, in clock ticks since boot, within `space`: a boot of one host, or a container's.

    `host` is for people.
    """

    host: str
    space: str
    pid: int
    start: str

    @staticmethod
    def own() -> Process:
        """Return what this process is."""
        return Process(socket.gethostname(), _space(), os.getpid(), _start(os.getpid()) or "")

    def is_dead(self) -> bool:
        """Say whether the process is known to have ended. False for one of another host, or where nobody can know."""
        if not self.space or self.space != _space():
            return False
        return _start(self.pid) != self.start


@cache
def _space() -> str:
    """Return what is the same for all processes that see each other's numbers, "" where the system does not say.

    Two containers on one host have the host's boot and numbers of their own: a number that is free in one says nothing of
    the other.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    """Return when a process started, null where it is not there, or has ended and its parent has not asked how."""
    try:
        # Behind the name, in brackets, which may hold anything: the state, and as the 20th value the start.
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if values[0] in "ZX" else values[19]
