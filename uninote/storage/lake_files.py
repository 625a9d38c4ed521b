"""The files of a lake, on a disk or in an object store: small ones read and written whole, folders listed and removed.

A lake's URI is a path, or `s3a://…`, `gs://…`, `abfss://…`. Which service `s3a://` means, and who asks, is what the environment
says (see `uninote.storage.environment`), for these functions as for Delta's library and Arrow. Errors are Python's own: a
FileNotFoundError is one whether the file should have been on a disk or in a bucket.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from uninote.storage.types import is_object_store


def join(uri: str, *parts: str) -> str:
    """Return the URI of what lies below `uri`; pathlib would make one slash of the two behind a scheme."""
    return "/".join((uri.rstrip("/"), *parts))


def relative(uri: str, path: str) -> str:
    """Return `path`, of something below the folder `uri`, as it is called there. Raises ValueError where it lies elsewhere."""
    folder = uri.rstrip("/") + "/"
    if not path.startswith(folder):
        raise ValueError(f"{path!r} does not lie below {uri!r}")
    return path.removeprefix(folder)


def parent(uri: str) -> str:
    """Return the folder that `uri` lies in."""
    return uri.rstrip("/").rpartition("/")[0]


def read(uri: str) -> bytes:
    """Return a file's content. Raises OSError, FileNotFoundError where there is none."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.read(uri)
    return Path(uri).read_bytes()


def read_or_none(uri: str) -> bytes | None:
    """Return a file's content, null where there is none. Raises OSError where it cannot be read."""
    try:
        return read(uri)
    except FileNotFoundError:
        return None


def size_of(uri: str) -> int:
    """Return a file's bytes. Raises OSError, FileNotFoundError where there is no file."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.size_of(uri)
    return Path(uri).stat().st_size


def is_file(uri: str) -> bool:
    """Say whether there is a file at `uri`; False as well where it may not be looked for."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.is_file(uri)
    return Path(uri).is_file()


def write(uri: str, content: bytes, *, synced: bool = True) -> None:
    """Make `content` the file at `uri`: readers see all of it, or what was there before. Folders on the way are made.

    `synced`: it outlives a power cut, which costs a disk some milliseconds.
    """
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.write(uri, content)
    with _scratch(Path(uri), content, synced) as scratch:
        os.replace(scratch, uri)


def create(uri: str, content: bytes) -> None:
    """Write a file that replaces none. Raises FileExistsError, and changes nothing, where one is there.

    Of several that create one file at once, on whatever hosts, exactly one succeeds.
    """
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.create(uri, content)
    with _scratch(Path(uri), content, synced=True) as scratch:
        try:
            # A link fails where its name is taken; a rename would replace what is there.
            os.link(scratch, uri)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file that is made here is not seen whole from its first moment, and still made once.
            with open(uri, "xb") as file:
                file.write(content)


def files_below(uri: str) -> list[str]:
    """Return the names, relative to `uri` and in order, of all files below a folder; none where there is no folder."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.files_below(uri)
    folder = Path(uri)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def files_with_times(uri: str) -> list[tuple[str, float, int]]:
    """Return (name, seconds since the epoch of its last change, bytes) of all files that `files_below` names."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.files_with_times(uri)
    found = []
    for name in files_below(uri):
        status = Path(uri, name).stat()
        found.append((name, status.st_mtime, status.st_size))
    return found


def names_in(uri: str) -> list[str]:
    """Return the names of the files that lie in a folder itself, in order; none where there is no folder."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.names_in(uri)
    folder = Path(uri)
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def folders_in(uri: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none where there is no folder."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.folders_in(uri)
    folder = Path(uri)
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def is_folder(uri: str) -> bool:
    """Say whether files can be written below `uri` as it is: in an object store they always can."""
    return is_object_store(uri) or Path(uri).is_dir()


def make_folder(uri: str) -> None:
    """Make a folder where folders have to be made: an object store has none, and every key is writable."""
    if not is_object_store(uri):
        Path(uri).mkdir(parents=True, exist_ok=True)


def remove(uri: str) -> None:
    """Delete a file, if it is there."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.remove(uri)
    Path(uri).unlink(missing_ok=True)


def remove_folder(uri: str) -> None:
    """Delete a folder with all that is below it, if it is there. What cannot be deleted stays."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.remove_folder(uri)
    shutil.rmtree(uri, ignore_errors=True)


def for_arrow(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return Arrow's file system for `uri` and the path there: Arrow reads ranges of a Parquet file without Python."""
    if is_object_store(uri):
        from uninote.storage import objects

        return objects.for_arrow(uri)
    return _LOCAL, uri


_LOCAL = pafs.LocalFileSystem()
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # what file systems without links answer


@contextmanager
def _scratch(target: Path, content: bytes, synced: bool) -> Iterator[Path]:
    """Yield a file with `content` beside `target`, removed afterwards unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            if synced:
                # Before it gets its name, or a power cut could leave the name with an empty file.
                file.flush()
                os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)
