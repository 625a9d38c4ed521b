"""Rows that a running task has finished, reported to the driver at once: Spark's own counters arrive when a task ends."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from udfs.task import place

TOKEN_BYTES = 16
REPORT = struct.Struct(f"!{TOKEN_BYTES}sqqq")  # token, stage, partition, rows that the task has finished so far
# Between two reports of a task: a thousand tasks then send 4,000 small datagrams a second at most.
PERIOD_S = 0.25


@dataclass
class RowCount:
    """Counts the finished rows of tasks: `add` goes to executors.

    `count` is Spark's counter, which is right once tasks have ended. `address` and `token` are those of the driver's listener,
    null where there is none. A datagram may be lost, and nothing waits for one: a task never fails or slows down by it.
    """

    count: Callable[[int], None]
    address: tuple[str, int] | None
    token: bytes = b""
    _rows: int = 0
    _last: float = 0.0
    _socket: socket.socket | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what belongs to one task: each gets a count of its own."""
        return {"count": self.count, "address": self.address, "token": self.token}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Begin a task's own count."""
        self.__dict__.update(state, _rows=0, _last=0.0, _socket=None)

    def add(self, rows: int) -> None:
        """Count finished rows."""
        self.count(rows)
        self._rows += rows
        now = time.monotonic()
        if self.address is not None and now - self._last >= PERIOD_S:
            self._last = now
            with suppress(OSError):
                self._send(self.address)

    def _send(self, address: tuple[str, int]) -> None:
        if self._socket is None:
            family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self._socket.sendto(REPORT.pack(self.token, *place(), self._rows), address)
