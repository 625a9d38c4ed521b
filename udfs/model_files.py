"""A checkpoint's way to the executors: brought once to each host, memory-mapped there by every worker."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from uninote.errors import UninoteError

BROADCAST_LIMIT_BYTES = 2 << 30
SUFFIXES = (".json", ".jinja", ".model", ".safetensors", ".txt")


def files_of(folder: Path) -> list[Path]:
    """Return the files that belong to a checkpoint, those of its sub-folders too; pickles are never among them."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in SUFFIXES]


def fits_broadcast(folder: Path) -> bool:
    """Say whether the checkpoint is small enough for `pack`."""
    return sum(path.stat().st_size for path in files_of(folder)) <= BROADCAST_LIMIT_BYTES


def pack(folder: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint folder by relative name, as a broadcast carries them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_of(folder)}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `pack` returned into an empty folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def once_per_host(name: str, fill: Callable[[Path], None]) -> Path:
    """Return this host's private folder `name`, filled by whichever process comes first; the others wait for it.

    `fill` is called by that one alone, so that the others never hold what it holds. A fill that fails or is killed leaves
    no folder of that name.
    """
    cache = _private_folder()
    target = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _sweep(cache, name)
            scratch = Path(tempfile.mkdtemp(dir=cache, prefix=f"{name}."))
            try:
                fill(scratch)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
            scratch.rename(target)
    return target


def _sweep(cache: Path, name: str) -> None:
    """Remove what killed fills left behind; the lock says that none is at work."""
    for scratch in cache.glob(f"{name}.*"):
        if scratch.is_dir():
            shutil.rmtree(scratch, ignore_errors=True)


def _private_folder() -> Path:
    """A folder that only this user can write, for nobody else may put weights where we look for ours."""
    folder = Path(tempfile.gettempdir()) / f"uninote-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UninoteError(f"{folder} can be written by others; remove it, or set TMPDIR to a folder of your own")
    return folder
