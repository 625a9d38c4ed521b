"""A checkpoint's way to the executors: broadcast as bytes, written once a host, memory-mapped by every worker of it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from uninote.errors import UninoteError

BROADCAST_LIMIT_BYTES = 2 << 30
SUFFIXES = (".json", ".jinja", ".safetensors", ".txt")


def pack(folder: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint folder by name, as a broadcast carries them; pickles are never among them."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in SUFFIXES]
    size = sum(path.stat().st_size for path in files)
    if size > BROADCAST_LIMIT_BYTES:
        raise UninoteError(f"the checkpoint {folder} has {size:,} bytes; a broadcast holds {BROADCAST_LIMIT_BYTES:,}")
    return {path.name: path.read_bytes() for path in files}


def unpack_once(generation: str, files: Callable[[], Mapping[str, bytes]]) -> Path:
    """Return this host's folder of the checkpoint, written by whichever process comes first.

    `files` is called by that one alone, so that the others never hold the bytes in memory of their own.
    """
    cache = _private_folder()
    target = cache / generation
    with (cache / f"{generation}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            scratch = Path(tempfile.mkdtemp(dir=cache, prefix=f"{generation}."))
            for name, content in files().items():
                (scratch / name).write_bytes(content)
            scratch.rename(target)  # complete or absent: a killed writer leaves only its scratch folder
    return target


def _private_folder() -> Path:
    """A folder that only this user can write, for nobody else may put weights where we look for ours."""
    folder = Path(tempfile.gettempdir()) / f"uninote-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UninoteError(f"{folder} can be written by others; remove it, or set TMPDIR to a folder of your own")
    return folder
