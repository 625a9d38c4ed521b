"""Copies of image files on this host, from the reading that hashes a file to the one that shows it to a model.

A file is then asked for once, and the bytes that were hashed are those that the model sees. The two readings are tasks of
different stages, in whatever processes: what they share is a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from uninote.storage.private_folders import own_folder, private_folder

_PREFIX = "images-"
# Bytes that a process reserves at once: a lock on a file for each image would cost more than its copy.
_BLOCK = 4 << 20
_reserved: dict[Path, int] = {}  # bytes that this process may still write into a folder
_lock = threading.Lock()
# In seconds: a folder without a new file for a day is one of a run that was killed.
_ABANDONED = 86_400.0


@dataclass(frozen=True)
class Copies:
    """The copies of one run on this host, of `limit` bytes together: what has no room is read again where it lies.

    `relative_to` are the places that relative names are looked up in: the same name is another file in others.
    """

    run_id: str
    limit: int
    relative_to: tuple[str, ...] = ()

    def put(self, uri: str, content: bytes) -> None:
        """Store the content of a file where there is room for it. A disk that is full costs a second reading, no more."""
        if len(content) > self.limit:
            return
        folder = own_folder() / f"{_PREFIX}{self.run_id}"
        try:
            with _lock:
                if not folder.exists():
                    _remove_abandoned(folder.parent)
                    _reserved.clear()
                if not _reserve(private_folder(folder), len(content), self.limit):
                    return
            # Renamed once it is whole: a task that is killed while it writes leaves nothing that looks like the file.
            scratch = folder / f"{os.getpid()}-{threading.get_ident()}"
            scratch.write_bytes(content)
            scratch.replace(folder / self._name(uri))
        except OSError:
            return

    def get(self, uri: str) -> bytes | None:
        """Return the content of a file, null where this host has no copy."""
        try:
            return (own_folder() / f"{_PREFIX}{self.run_id}" / self._name(uri)).read_bytes()
        except OSError:
            return None

    def remove(self) -> None:
        """Remove what this host has of the run; other hosts do so when they store something of a later one."""
        shutil.rmtree(own_folder() / f"{_PREFIX}{self.run_id}", ignore_errors=True)

    def _name(self, uri: str) -> str:
        return hashlib.sha256("\0".join([uri, *self.relative_to]).encode("utf-8", "surrogatepass")).hexdigest()


def _reserve(folder: Path, size: int, limit: int) -> bool:
    """Take `size` bytes of what this process has reserved, or reserve more, a block at a time, as far as there is room."""
    if _reserved.get(folder, 0) < size:
        for wanted in (max(size, _BLOCK), size):
            if _has_room(folder, wanted, limit):
                _reserved[folder] = _reserved.get(folder, 0) + wanted
                break
        else:
            return False
    _reserved[folder] -= size
    return True


def _has_room(folder: Path, size: int, limit: int) -> bool:
    """Count `size` bytes as taken, unless all processes together would then have more than `limit`."""
    # The sum lies in a file under a lock, since several worker processes of a host share the folder.
    with (folder / "bytes").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        taken = int(file.read() or 0) + size
        if taken > limit:
            return False
        file.truncate(0)
        file.write(str(taken))
    return True


def _remove_abandoned(cache: Path) -> None:
    for folder in cache.glob(f"{_PREFIX}*"):
        try:
            is_abandoned = time.time() - folder.stat().st_mtime > _ABANDONED
        except FileNotFoundError:
            # Another process has removed it.
            continue
        if is_abandoned:
            shutil.rmtree(folder, ignore_errors=True)
