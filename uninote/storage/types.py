"""What both kinds of storage share: which URIs are remote, what a file is known by, and what can go wrong with one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from uninote.errors import UninoteError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(data|file):", re.IGNORECASE)
S3_SCHEMES = ("s3", "s3a")
OBJECT_STORES = (*S3_SCHEMES, "gs", "abfs", "abfss")


class StorageError(UninoteError):
    """The store itself cannot be used: a run should stop with it, since every other file would fail as well."""


class MissingFileError(StorageError):
    """This one file is not there."""


class ExistingFileError(StorageError):
    """A file that was to replace none is there already."""


class ForbiddenFileError(StorageError):
    """The store answers, and refuses this one file."""


class UnreachableError(StorageError):
    """The store, or the mount, does not answer, or fails at every attempt: later it may be as it was."""


class SlowFileError(StorageError):
    """This one file did not come within the time limit."""


@dataclass(frozen=True)
class S3Options:
    """Which S3 service to ask, and how patiently; null is what the environment says, as are all credentials.

    `timeout_s` is for one file, retries included. `attempts` are made where an error may pass.
    """

    endpoint: str | None = None
    region: str | None = None
    timeout_s: float = 30.0
    attempts: int = 4


@dataclass(frozen=True)
class FileStat:
    """Size in bytes, and a word that changes when the file is replaced: S3's etag, or the modification time in ns."""

    size: int
    version: str


def is_remote(uri: str) -> bool:
    """Say whether `uri` is `s3://…` or `s3a://…`, which mean the same here."""
    return _scheme(uri) in S3_SCHEMES


def is_object_store(uri: str) -> bool:
    """Say whether `uri` names a place in an object store, of whatever kind a lake may lie in."""
    return _scheme(uri) in OBJECT_STORES


def _scheme(uri: str) -> str:
    found = SCHEME.match(uri)
    return (found[1] or "").lower() if found is not None else ""
