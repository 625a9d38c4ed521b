"""This machine's copy of a folder in an object store: fetched once, and again when anything in it is of another version."""

from __future__ import annotations

from pathlib import Path

from uninote.digests import digest
from uninote.storage.files import fetch_folder, list_files, stat
from uninote.storage.host_copies import once_per_host
from uninote.storage.types import S3Options


def fetched_checkpoint(uri: str, options: S3Options) -> Path:
    """Return the copy of the checkpoint below `uri`. Raises StorageError and its children."""
    state = []
    for name in sorted(list_files(uri, options)):
        found = stat(f"{uri.rstrip('/')}/{name}", options)
        state.append((name, found.version))
    return once_per_host(f"checkpoint-{digest(uri, state)}", lambda folder: fetch_folder(uri, folder, options))
