"""One S3 client for each process and service, its retries and time limits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from uninote.storage.s3_errors import Place, explained
from uninote.storage.types import (
    ForbiddenFileError,
    MissingFileError,
    S3Options,
    SlowFileError,
    StorageError,
    UnreachableError,
)

POOL = 64  # connections that a client keeps open: more than any worker has threads
# So many files in a row without one that came in time: it is not the files.
SLOW_IN_A_ROW = 32
# So many failures in a row: the store is away, and for a while nobody waits for it again.
FAILED_IN_A_ROW = 3


@dataclass
class Health:
    """How the last requests to one bucket did. While it is away, until the monotonic time `back_at`, `error` says why."""

    slow: int = 0
    failed: int = 0
    back_at: float = 0.0
    error: UnreachableError | None = None


class Clients:
    """The clients of this process, by options, and how its requests have been doing."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start afresh: a forked worker must share neither sockets nor a lock that another thread may hold."""
        self._lock = threading.Lock()
        self._clients: dict[S3Options, Any] = {}
        self._session: Any = None
        self._health: dict[tuple[str | None, str], Health] = {}

    def get(self, options: S3Options) -> Any:
        """Return the client for `options`; it may be used by several threads at once."""
        # Making a client is slow, and botocore's sessions are not made for several threads.
        with self._lock:
            if options not in self._clients:
                self._session = self._session or boto3.session.Session()
                self._clients[options] = _make_client(self._session, options)
            return self._clients[options]

    @contextmanager
    def watched(self, place: Place) -> Iterator[None]:
        """Explain errors, and take a store that lets file after file wait, or fail, for what it is: unreachable.

        While it is, requests fail at once for as long as one of them would have been waited for.
        """
        health = self._health.setdefault((place.options.endpoint, place.bucket), Health())
        if health.error is not None and time.monotonic() < health.back_at:
            raise UnreachableError(str(health.error))
        try:
            with explained(place):
                yield
        except SlowFileError as error:
            health.slow += 1
            if health.slow < SLOW_IN_A_ROW:
                raise
            hanging = place.hangs(health.slow)
            _take_away(health, hanging, place)
            raise hanging from error
        except UnreachableError as error:
            health.failed += 1
            if health.failed >= FAILED_IN_A_ROW:
                _take_away(health, error, place)
            raise
        except (MissingFileError, ForbiddenFileError):
            # The store answers: what was counted against it no longer counts.
            health.slow = health.failed = 0
            raise
        health.slow = health.failed = 0


CLIENTS = Clients()
os.register_at_fork(after_in_child=CLIENTS.forget)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give this thread's requests a deadline; those of other threads have none."""
    _CLOCK.ends = time.monotonic() + seconds
    try:
        yield
    finally:
        _CLOCK.ends = float("inf")


def late() -> bool:
    """Say whether this thread's deadline has passed."""
    return time.monotonic() > _CLOCK.ends


def _take_away(health: Health, error: UnreachableError, place: Place) -> None:
    health.error = error
    health.back_at = time.monotonic() + place.options.timeout_s


class _Clock(threading.local):
    ends = float("inf")


_CLOCK = _Clock()


def _make_client(session: Any, options: S3Options) -> Any:
    wait_s = options.timeout_s / options.attempts
    config = Config(
        retries={"mode": "standard", "total_max_attempts": options.attempts},
        connect_timeout=wait_s,
        read_timeout=wait_s,
        max_pool_connections=POOL,
        # Other stores than Amazon's often know nothing of the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = session.client("s3", endpoint_url=options.endpoint, region_name=options.region, config=config)
    except ValueError as error:
        raise StorageError(f"s3.endpoint or s3.region is wrong: {error}; an endpoint is https://host:port") from error
    client.meta.events.register_first("needs-retry.s3", _stop_when_late)
    return client


def _stop_when_late(response: Any, operation: Any, caught_exception: Exception | None, **_: Any) -> None:
    """End the retries by raising what went wrong: botocore counts attempts, but knows no deadline."""
    if not late():
        return
    if caught_exception is not None:
        raise caught_exception
    if response[0].status_code >= 500:
        raise ClientError(response[1], operation.name)
