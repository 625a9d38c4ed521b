"""Private copies of folders on this machine: filled once by one process, whole, and checked before each use."""

from __future__ import annotations

import fcntl
import glob
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uninote.storage.file_hashes import is_as_written, write_hashes
from uninote.storage.private_folders import own_folder


def once_per_host(name: str, fill: Callable[[Path], None], checked_for: str = "") -> Path:
    """Return this host's private folder `name`, filled by whichever process comes first; the others wait for it.

    `fill` is called by that one alone, so that the others never hold what it holds. A fill that fails or is killed leaves
    no folder of that name. Copies that are not as they were filled are filled anew: each call compares sizes and times,
    and the first on this host for each `checked_for` (such as a Spark application; "": every call) all bytes.
    """
    cache = own_folder()
    copy = _Copy(cache, name)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.is_sound(checked_for):
            copy.refill(fill)
        copy.checked.write_text(checked_for)
    return copy.folder


def drop(name: str) -> None:
    """Delete this host's private folder `name`; what a process has mapped stays until it ends."""
    copy = _Copy(own_folder(), name)
    shutil.rmtree(copy.folder, ignore_errors=True)
    for path in (copy.hashes, copy.checked, copy.cache / f"{name}.lock"):
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Copy:
    """A folder of the cache, and beside it what its files were, and for whom they were last compared byte by byte."""

    cache: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.cache / self.name

    @property
    def hashes(self) -> Path:
        return self.cache / f"{self.name}.hashes"

    @property
    def checked(self) -> Path:
        return self.cache / f"{self.name}.checked"

    def is_sound(self, checked_for: str) -> bool:
        if not self.folder.is_dir() or self.folder.is_symlink():
            return False
        thorough = not checked_for or not self.checked.is_file() or self.checked.read_text() != checked_for
        return is_as_written(self.folder, self.hashes, thorough)

    def refill(self, fill: Callable[[Path], None]) -> None:
        """Fill a new folder and put it in place; files of the old one stay mapped where they are in use."""
        _sweep(self.cache, self.name)
        scratch = Path(tempfile.mkdtemp(dir=self.cache, prefix=f"{self.name}."))
        try:
            fill(scratch)
            # Renamed, and deleted by the sweep below: the name is without a folder only for a moment.
            if self.folder.exists():
                self.folder.rename(Path(tempfile.mkdtemp(dir=self.cache, prefix=f"{self.name}.")) / "old")
            write_hashes(scratch, self.hashes)
            scratch.rename(self.folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        _sweep(self.cache, self.name)


def _sweep(cache: Path, name: str) -> None:
    """Remove what killed fills left behind; the lock says that none is at work."""
    for scratch in cache.glob(f"{glob.escape(name)}.*"):
        if scratch.is_dir():
            shutil.rmtree(scratch, ignore_errors=True)
