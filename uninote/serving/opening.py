"""Where an online store is, by its URI."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from uninote.serving.backend import Backend
from uninote.serving.layout import StoreError
from uninote.serving.mapped import MappedBackend
from uninote.serving.redis_server import RedisBackend
from uninote.serving.store import OnlineStore

_SERVERS = ("redis", "rediss", "unix")


def open_store(uri: str, *, create: bool = False) -> OnlineStore:
    """Open the online store at `uri`; with `create` a folder that is none yet becomes one.

    `redis://host:6379/0`, `rediss://…` or `unix:///socket`: a server; `?prefix=name` keeps its keys apart from others'.
    `lmdb:///folder`, or `lmdb:folder` below the working folder: files that each process maps. Raises StoreError.
    """
    scheme, _, rest = uri.partition(":")
    if scheme in _SERVERS:
        return OnlineStore(_server(uri))
    if scheme == "lmdb" and rest:
        return OnlineStore(MappedBackend(Path(rest.removeprefix("//")), create=create))
    raise StoreError(f"{uri!r} names no online store; write redis://host:6379/0 or lmdb:///folder")


def _server(uri: str) -> Backend:
    parts = urlsplit(uri)
    given = dict(parse_qsl(parts.query))
    prefix = given.pop("prefix", "uninote")
    return RedisBackend(urlunsplit(parts._replace(query=urlencode(given))), prefix)
