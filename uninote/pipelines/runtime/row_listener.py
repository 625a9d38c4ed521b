"""The driver's end of row reports: datagrams of running tasks, summed."""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
from contextlib import suppress
from types import TracebackType

from pyspark import SparkContext

from udfs.row_reports import REPORT, TOKEN_BYTES

_LOOPBACK = "127.0.0.1"


class RowListener:
    """Receives reports on a port of its own while the context is entered; where none can be opened, it receives none.

    A report counts only with the token, which the tasks get from the driver: whatever else reaches the port is dropped.
    """

    def __init__(self, host: str) -> None:
        """Open a port on `host`, by which executors find this process."""
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.address: tuple[str, int] | None = None
        self._rows: dict[tuple[int, int], int] = {}
        self._socket = _open_socket(host)
        if self._socket is not None:
            self.address = (host, self._socket.getsockname()[1])

    @property
    def rows(self) -> int:
        """How many rows running and ended tasks have reported. A task that is repeated counts once, by its best attempt."""
        return sum(self._rows.copy().values())

    def __enter__(self) -> RowListener:
        """Begin to receive."""
        if self._socket is not None:
            self._thread = threading.Thread(target=self._receive, args=(self._socket,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        found, self._socket = self._socket, None
        if found is not None:
            # It waits for a datagram: one of ours ends that at once.
            with suppress(OSError):
                found.sendto(b"", found.getsockname())
            self._thread.join()
            found.close()

    def _receive(self, source: socket.socket) -> None:
        while self._socket is not None:
            try:
                report = source.recv(REPORT.size + 1)
            except TimeoutError:
                continue
            except OSError:
                return
            self._take(report)

    def _take(self, report: bytes) -> None:
        if len(report) != REPORT.size:
            return
        token, stage, partition, rows = REPORT.unpack(report)
        if hmac.compare_digest(token, self.token):
            key = (stage, partition)
            self._rows[key] = max(rows, self._rows.get(key, 0))


def host_of(context: SparkContext) -> str:
    """Return by which name executors find this process: here, or as they find Spark's driver."""
    if str(context.master).startswith("local"):
        return _LOOPBACK
    return context.getConf().get("spark.driver.host", _LOOPBACK) or _LOOPBACK


def _open_socket(host: str) -> socket.socket | None:
    """Return a socket on a free port of this host; null where that is not allowed: progress is not worth failing for."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        opened = socket.socket(family, kind, protocol)
        opened.bind(address)
        # So long may the end of a stage wait for the thread.
        opened.settimeout(0.2)
    except OSError:
        return None
    return opened
