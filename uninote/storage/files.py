"""Files by local path or `s3://`: each call goes to the half that keeps such a file.

Each function imports the S3 half only for a remote URI: boto3 costs a process half a second and 40 MB.
"""

from __future__ import annotations

from pathlib import Path

from uninote.storage import local
from uninote.storage.types import FileStat, S3Options, is_remote


def read_bytes(uri: str, options: S3Options, limit: int | None = None) -> bytes:
    """Return the file's content, of which at most limit + 1 bytes are read. Raises StorageError and its children."""
    if is_remote(uri):
        from uninote.storage import s3

        return s3.read_bytes(uri, options, limit)
    return local.read_bytes(uri, limit)


def stat(uri: str, options: S3Options) -> FileStat:
    """Return size and version without reading the content. Raises StorageError and its children."""
    if is_remote(uri):
        from uninote.storage import s3

        return s3.stat(uri, options)
    return local.stat(uri)


def list_files(uri: str, options: S3Options) -> list[str]:
    """Return the sorted names of all files below a folder or prefix, relative to it; none when there is no such folder."""
    return sorted(list_sizes(uri, options))


def list_sizes(uri: str, options: S3Options, start: str = "") -> dict[str, int]:
    """Return the sizes in bytes of all files below a folder or prefix, by their names relative to it.

    Where these begin with `start`, which a store sorts out by itself.
    """
    if is_remote(uri):
        from uninote.storage import s3

        return s3.list_sizes(uri, options, start)
    return local.list_sizes(uri, start)


def fetch_folder(uri: str, target: Path, options: S3Options) -> None:
    """Copy every file below `uri` into the existing, empty folder `target`, and check that each is complete.

    Raises MissingFileError when there is none, StorageError when the disk is full or the store fails. There is no time
    limit, since a checkpoint takes what it takes; but a connection that stands still for `timeout_s` is tried again.
    """
    if is_remote(uri):
        from uninote.storage import s3

        # Errors here are of the disk that the copy is written to.
        with local.explained(uri):
            return s3.fetch_folder(uri, target, options)
    return local.fetch_folder(uri, target)


def fetch_file(uri: str, path: Path, options: S3Options) -> None:
    """Copy the file at `uri` to the local `path`, without a time limit. Raises as `fetch_folder` does."""
    if is_remote(uri):
        from uninote.storage import s3

        with local.explained(uri):
            return s3.fetch_file(uri, path, options)
    return local.fetch_file(uri, path)


def remove_file(uri: str, options: S3Options) -> None:
    """Delete the file at `uri`, if it is there."""
    if is_remote(uri):
        from uninote.storage import s3

        return s3.remove_file(uri, options)
    return local.remove_file(uri)


def write_file(path: Path, uri: str, options: S3Options) -> None:
    """Store the local file at `path` under `uri`: readers see all of the new file or what was there before."""
    if is_remote(uri):
        from uninote.storage import s3

        with local.explained(uri):
            return s3.write_file(path, uri, options)
    return local.write_file(path, uri)


def create_file(uri: str, content: bytes, options: S3Options) -> None:
    """Write a small file that replaces none: of several that create it at once, exactly one succeeds.

    Raises ExistingFileError, and changes nothing, where one is there.
    """
    if is_remote(uri):
        from uninote.storage import s3

        return s3.create_file(uri, content, options)
    return local.create_file(uri, content)


def end_uploads(uri: str, options: S3Options, older_than_s: float) -> int:
    """Give up what was begun to be stored below a folder so long ago and never finished; returns how many. None on disks."""
    if is_remote(uri):
        from uninote.storage import s3

        return s3.end_uploads(uri, options, older_than_s)
    return 0
