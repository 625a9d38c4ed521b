"""Files on this machine or on a mount: reading, listing, copying, with errors in this project's words."""

from __future__ import annotations

import errno
import os
import shutil
import stat as modes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uninote.storage import lake_files
from uninote.storage.types import (
    SCHEME,
    ExistingFileError,
    FileStat,
    ForbiddenFileError,
    MissingFileError,
    StorageError,
    UnreachableError,
)

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO, errno.EINVAL}
DENIED = {errno.EACCES, errno.EPERM}
# What a network mount or a failing disk answers.
AWAY = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO}


def read_bytes(uri: str, limit: int | None = None) -> bytes:
    """Return the file's content, of which at most limit + 1 bytes are read. Raises StorageError and its children."""
    with explained(uri):
        path = local_path(uri)
        _stat_regular(path)
        with path.open("rb") as file:
            return file.read(-1 if limit is None else limit + 1)


def stat(uri: str) -> FileStat:
    """Return size and version without reading the content. Raises StorageError and its children."""
    with explained(uri):
        status = _stat_regular(local_path(uri))
    return FileStat(status.st_size, str(status.st_mtime_ns))


def list_sizes(uri: str, start: str = "") -> dict[str, int]:
    """Return the sizes in bytes of all files below a folder, by their names relative to it, which begin with `start`."""
    with explained(uri):
        folder = local_path(uri)
        found = {}
        for path in folder.rglob("*"):
            if not path.relative_to(folder).as_posix().startswith(start):
                continue
            # The file may be deleted since it was listed.
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[path.relative_to(folder).as_posix()] = path.stat().st_size
        return found


def fetch_folder(uri: str, target: Path) -> None:
    """Copy every file below `uri` into the existing, empty folder `target`. Raises MissingFileError when there is none."""
    names = sorted(list_sizes(uri))
    if not names:
        raise MissingFileError(f"there is no file below {uri!r}; name a folder that holds some")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with explained(uri):
            shutil.copyfile(local_path(uri) / name, target / name)


def fetch_file(uri: str, path: Path) -> None:
    """Copy the file at `uri` to `path`."""
    with explained(uri):
        shutil.copyfile(local_path(uri), path)


def remove_file(uri: str) -> None:
    """Delete the file at `uri`, if it is there."""
    with explained(uri):
        local_path(uri).unlink(missing_ok=True)


def write_file(path: Path, uri: str) -> None:
    """Copy the file at `path` to `uri`: readers see all of the new file or what was there before."""
    with explained(uri):
        _copy_atomically(path, local_path(uri))


def create_file(uri: str, content: bytes) -> None:
    """Write a file that replaces none. Raises ExistingFileError, and changes nothing, where one is there."""
    with explained(uri):
        try:
            lake_files.create(str(local_path(uri)), content)
        except FileExistsError as error:
            raise ExistingFileError(f"{uri!r} exists already") from error


def local_path(uri: str) -> Path:
    """Return the path that a plain path or a `file:` URI names; raises StorageError for what is neither."""
    scheme = SCHEME.match(uri)
    if scheme is None:
        return Path(uri)
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise MissingFileError(f"{uri!r} is not a URI: {error}") from error
    name = (scheme[1] or scheme[2]).lower()
    if name != "file" or parts.netloc not in ("", "localhost"):
        raise StorageError(f"only files on this machine and s3:// can be read, not {name}: as in {uri[:200]!r}")
    return Path(unquote(parts.path))


def _stat_regular(path: Path) -> os.stat_result:
    status = path.stat()
    # A pipe or a device would block, or never end.
    if not modes.S_ISREG(status.st_mode):
        raise MissingFileError(f"{str(path)!r} is not a regular file")
    return status


def _copy_atomically(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:100]}.", delete=False) as scratch:
        try:
            with path.open("rb") as source:
                shutil.copyfileobj(source, scratch, 1 << 20)
            # Synced before the rename, or a power cut could leave the name with an empty file.
            scratch.flush()
            os.fsync(scratch.fileno())
            # A temporary file is readable by its owner alone, and others may read what it was copied from.
            os.chmod(scratch.name, path.stat().st_mode & 0o777)
            os.replace(scratch.name, target)
        except BaseException:
            os.unlink(scratch.name)
            raise


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn the errors of a local file into ours; those that are no fault of the one file become StorageError."""
    try:
        yield
    except OSError as error:
        place = repr(str(error.filename or uri)[:200])
        why = error.strerror or str(error)
        if error.errno in ABSENT:
            raise MissingFileError(f"{place} cannot be read: {why}") from error
        if error.errno in DENIED:
            raise ForbiddenFileError(f"{place} may not be opened by this user: {why}") from error
        remedy = "Free space, or mend the disk or mount; then run again, what is done is kept"
        kind = UnreachableError if error.errno in AWAY else StorageError
        raise kind(f"{place}: {why}. {remedy}") from error
    except ValueError as error:
        # The name has a NUL or a lone surrogate.
        raise MissingFileError(f"{uri[:200]!r} is not a file's name: {error}") from error
