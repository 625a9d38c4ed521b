"""Files by local path or `s3://`: reading, listing, copying, and what can go wrong with them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat as modes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uninote.errors import UninoteError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(data|file):", re.IGNORECASE)
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO, errno.EINVAL}
DENIED = {errno.EACCES, errno.EPERM}
# What a network mount or a failing disk answers.
AWAY = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO}


class StorageError(UninoteError):
    """The store itself cannot be used: a run should stop with it, since every other file would fail as well."""


class MissingFileError(StorageError):
    """This one file is not there."""


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


# Each function imports the S3 half only for a remote URI: boto3 costs a process half a second and 40 MB.


def is_remote(uri: str) -> bool:
    """Say whether `uri` is `s3://…` or `s3a://…`, which mean the same here."""
    scheme = SCHEME.match(uri)
    return scheme is not None and (scheme[1] or "").lower() in ("s3", "s3a")


def read_bytes(uri: str, options: S3Options, limit: int | None = None) -> bytes:
    """Return the file's content, of which at most limit + 1 bytes are read. Raises StorageError and its children."""
    if is_remote(uri):
        from uninote import s3

        return s3.read_bytes(uri, options, limit)
    with _explained(uri):
        path = local_path(uri)
        _stat_regular(path)
        with path.open("rb") as file:
            return file.read(-1 if limit is None else limit + 1)


def stat(uri: str, options: S3Options) -> FileStat:
    """Return size and version without reading the content. Raises StorageError and its children."""
    if is_remote(uri):
        from uninote import s3

        return s3.stat(uri, options)
    with _explained(uri):
        status = _stat_regular(local_path(uri))
    return FileStat(status.st_size, str(status.st_mtime_ns))


def list_files(uri: str, options: S3Options) -> list[str]:
    """Return the sorted names of all files below a folder or prefix, relative to it; none when there is no such folder."""
    return sorted(list_sizes(uri, options))


def list_sizes(uri: str, options: S3Options) -> dict[str, int]:
    """Return the sizes in bytes of all files below a folder or prefix, by their names relative to it."""
    if is_remote(uri):
        from uninote import s3

        return s3.list_sizes(uri, options)
    with _explained(uri):
        folder = local_path(uri)
        found = {}
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):  # gone since it was listed
                if path.is_file():
                    found[path.relative_to(folder).as_posix()] = path.stat().st_size
        return found


def fetch_folder(uri: str, target: Path, options: S3Options) -> None:
    """Copy every file below `uri` into the existing, empty folder `target`, and check that each came whole.

    Raises MissingFileError when there is none, StorageError when the disk is full or the store fails. There is no time
    limit, since a checkpoint takes what it takes; but a connection that stands still for `timeout_s` is tried again.
    """
    if is_remote(uri):
        from uninote import s3

        with _explained(uri):
            return s3.fetch_folder(uri, target, options)
    names = list_files(uri, options)
    if not names:
        raise MissingFileError(f"there is no file below {uri!r}; name a folder that holds some")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with _explained(uri):
            shutil.copyfile(local_path(uri) / name, target / name)
    return None


def fetch_file(uri: str, path: Path, options: S3Options) -> None:
    """Copy the file at `uri` to the local `path`, without a time limit for the whole. Raises as `fetch_folder` does."""
    if is_remote(uri):
        from uninote import s3

        with _explained(uri):
            return s3.fetch_file(uri, path, options)
    with _explained(uri):
        shutil.copyfile(local_path(uri), path)


def remove_file(uri: str, options: S3Options) -> None:
    """Delete the file at `uri`, if it is there."""
    if is_remote(uri):
        from uninote import s3

        return s3.remove_file(uri, options)
    with _explained(uri):
        local_path(uri).unlink(missing_ok=True)


def write_file(path: Path, uri: str, options: S3Options) -> None:
    """Store the local file at `path` under `uri`: readers see the whole new file or what was there before."""
    if is_remote(uri):
        from uninote import s3

        with _explained(uri):
            return s3.write_file(path, uri, options)
    with _explained(uri):
        _copy_atomically(path, local_path(uri))


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
    if not modes.S_ISREG(status.st_mode):  # a pipe or a device would block, or never end
        raise MissingFileError(f"{str(path)!r} is not a regular file")
    return status


def _copy_atomically(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:100]}.", delete=False) as scratch:
        try:
            with path.open("rb") as source:
                shutil.copyfileobj(source, scratch, 1 << 20)
            scratch.flush()
            os.fsync(scratch.fileno())
            os.chmod(scratch.name, path.stat().st_mode & 0o777)
            os.replace(scratch.name, target)
        except BaseException:
            os.unlink(scratch.name)
            raise


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn the errors of a local file into ours; those that are no fault of the one file become StorageError."""
    try:
        yield
    except OSError as error:
        place, why = repr(str(error.filename or uri)[:200]), error.strerror or str(error)
        if error.errno in ABSENT:
            raise MissingFileError(f"{place} cannot be read: {why}") from error
        if error.errno in DENIED:
            raise ForbiddenFileError(f"{place} may not be opened by this user: {why}") from error
        remedy = "Free space, or mend the disk or mount; then run again, what is done is kept"
        kind = UnreachableError if error.errno in AWAY else StorageError
        raise kind(f"{place}: {why}. {remedy}") from error
    except ValueError as error:  # a NUL or a lone surrogate in the name
        raise MissingFileError(f"{uri[:200]!r} is not a file's name: {error}") from error
