"""A checkpoint's way to the executors: brought once to each host, memory-mapped there by every worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BROADCAST_LIMIT_BYTES = 2 << 30  # a broadcast holds no more
SUFFIXES = (".json", ".jinja", ".model", ".safetensors", ".txt")


def files_of(folder: Path) -> list[Path]:
    """Return the files that belong to a checkpoint, those of its sub-folders too; pickles are never among them."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in SUFFIXES:
            found.append(path)
    return found


def fits_broadcast(folder: Path, limit: int = BROADCAST_LIMIT_BYTES) -> bool:
    """Say whether the checkpoint has `limit` bytes at most, to be sent with `read_files`."""
    return sum(path.stat().st_size for path in files_of(folder)) <= limit


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint folder by relative name, as a broadcast carries them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_of(folder)}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `read_files` returned into an empty folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
