"""An online store in a server that speaks Redis' protocol: Redis, Valkey, and the services that are one of them.

One server or a primary with replicas, no cluster: what is changed together lies in one place. A push is pipelined, a look-up is
one command and one round trip.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from uninote.redaction import has_credentials
from uninote.serving.backend import Seen
from uninote.serving.layout import StoreError

_SCANNED = 2_000
_AT_ONCE = 10_000  # ids of hidden notes in one command
_TIMEOUT_S = 10.0
USER = "UNINOTE_STORE_USER"
PASSWORD = "UNINOTE_STORE_PASSWORD"


class RedisBackend:
    """The keys `<prefix>:…` of one server, for several threads. User and password are UNINOTE_STORE_USER and _PASSWORD.

    Raises StoreError where `redis` is not installed, or the URL holds a password.
    """

    def __init__(self, url: str, prefix: str = "uninote") -> None:
        try:
            import redis
        except ImportError as error:
            raise StoreError('this store needs the package redis; run: pip install "uninote[serving]"') from error
        if has_credentials(url):
            raise StoreError(f"the URL of the store holds credentials; give them as {USER} and {PASSWORD}")
        # It is part of a pattern of keys.
        if not re.fullmatch(r"[\w.-]+", prefix, re.ASCII):
            raise StoreError(f"the store's prefix is {prefix!r}; write letters, digits, _ . and - alone")
        # Sockets in the file system are there or not.
        connecting = {} if url.startswith("unix:") else {"socket_connect_timeout": _TIMEOUT_S}
        self._errors = (redis.RedisError, OSError)
        self._changed = redis.WatchError
        self._place = url
        self._prefix = prefix.encode()
        self._state = self._prefix + b":state"
        self._mark = self._prefix + b":hidden-mark"
        self._hidden = self._prefix + b":hidden"
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                username=os.environ.get(USER),
                password=os.environ.get(PASSWORD),
                socket_timeout=_TIMEOUT_S,
                **connecting,
            )
        except ValueError as error:
            raise StoreError(f"{url} is no place of a store ({error})") from error

    def read(self, keys: Sequence[bytes]) -> Seen:
        """Return what is held now, all of one moment: by one command."""
        with self._asked():
            state, mark, *values = self._client.mget([self._state, self._mark, *map(self._named, keys)])
        return Seen(state, mark, values)

    def write(self, expected: bytes | None, values: Mapping[bytes, bytes | None], state: bytes | None = None) -> None:
        """Set values, and the record unless null, where it is `expected`: the server refuses where that changes meanwhile."""
        put = {self._named(key): value for key, value in values.items() if value is not None}
        gone = [self._named(key) for key, value in values.items() if value is None]
        if state is not None:
            put[self._state] = state
        with self._asked(), self._client.pipeline(transaction=True) as commands:
            commands.watch(self._state)
            if commands.get(self._state) != expected:
                raise self._changed("the record is another one")
            commands.multi()
            if put:
                commands.mset(put)
            if gone:
                commands.unlink(*gone)
            commands.execute()

    def scan(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield all keys and values in batches, in no order."""
        cursor = 0
        while True:
            with self._asked():
                # Lists have two colons in their keys; the record and the hidden set have one.
                cursor, names = self._client.scan(cursor, match=self._prefix + b":*:*", count=_SCANNED)
                values = self._client.mget(names) if names else []
            yield [
                (name.removeprefix(self._prefix + b":"), value)
                for name, value in zip(names, values, strict=True)
                if value is not None
            ]
            if cursor == 0:
                return

    def hidden(self) -> tuple[bytes | None, list[str]]:
        """Return the mark and the ids of the hidden set, of one moment."""
        with self._asked(), self._client.pipeline(transaction=True) as commands:
            commands.get(self._mark)
            commands.smembers(self._hidden)
            mark, ids = commands.execute()
        return mark, [one.decode("utf-8", "surrogateescape") for one in ids]

    def hide(self, ids: Sequence[str], *, hide: bool) -> None:
        """Put ids into the hidden set, or take them out, and mark it anew."""
        with self._asked(), self._client.pipeline(transaction=True) as commands:
            change = commands.sadd if hide else commands.srem
            for start in range(0, len(ids), _AT_ONCE):
                change(self._hidden, *(one.encode("utf-8", "surrogateescape") for one in ids[start : start + _AT_ONCE]))
            # Never one that was there before: readers compare it with that of the set they know.
            commands.set(self._mark, secrets.token_bytes(8))
            commands.execute()

    def check(self) -> None:
        """Raise StoreError where the server removes keys when its memory is full: readers would miss lists in silence."""
        with self._asked():
            policy = self._client.info("memory").get("maxmemory_policy", "noeviction")
        if policy.startswith("allkeys-"):
            raise StoreError(
                f"{self._place} removes any key when its memory is full (maxmemory-policy {policy}); set it to noeviction"
            )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _named(self, key: bytes) -> bytes:
        return self._prefix + b":" + key

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except self._changed as error:
            raise StoreError(
                f"{self._place}: another process changed the online store meanwhile; run this again"
            ) from error
        except self._errors as error:
            raise StoreError(f"{self._place}: the online store does not answer ({error}); run this again") from error
