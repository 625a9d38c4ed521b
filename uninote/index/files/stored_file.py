"""Files that are either complete or not there, and what they must look like to be trusted."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uninote.errors import UninoteError


class IndexDamagedError(UninoteError):
    """A part of an index is missing, or is not what the manifest says."""


@dataclass(frozen=True)
class StoredFile:
    """A published file of an index folder: its name there, size in bytes, and SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then sync and rename it: readers see all or nothing.

    Two writers of one path do not meet before the rename; the later one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        # The folder too: until it is synced, a power cut may take the new name back.
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
