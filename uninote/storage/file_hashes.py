"""What the files of a folder were when they were written, so that damage to them is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileHash:
    """Size in bytes, modification time in ns, and SHA-256 in hexadecimal."""

    size: int
    mtime_ns: int
    sha256: str


def write_hashes(folder: Path, note: Path) -> None:
    """Write into `note`, in one step, what the files below `folder` are now."""
    found = {name: vars(_hash(folder / name)) for name in _names(folder)}
    scratch = note.with_name(f"{note.name}.{os.getpid()}")
    scratch.write_text(json.dumps(found))
    # Renamed, not written in place: a process that is killed meanwhile leaves the former note or none.
    scratch.replace(note)


def is_as_written(folder: Path, note: Path, thorough: bool) -> bool:
    """Say whether the files below `folder` are those that `note` names.

    Sizes and times are compared, and the content where those differ or when `thorough`.
    """
    try:
        known = {name: FileHash(**values) for name, values in json.loads(note.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    if list(known) != _names(folder):
        return False
    return all(_is_same(folder / name, file, thorough) for name, file in known.items())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _hash(path: Path) -> FileHash:
    status = path.stat()
    return FileHash(status.st_size, status.st_mtime_ns, sha256_of(path))


def _is_same(path: Path, known: FileHash, thorough: bool) -> bool:
    status = path.stat()
    if status.st_size != known.size:
        return False
    # A time alone proves nothing, as copies and backups change it: then the content decides.
    return (status.st_mtime_ns == known.mtime_ns and not thorough) or sha256_of(path) == known.sha256
