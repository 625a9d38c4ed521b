"""Where an index lies: a folder, or a prefix of an S3 store with a local folder for what was fetched of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uninote.index.files.stored_file import IndexDamagedError, StoredFile, write_atomically
from uninote.storage.file_hashes import sha256_of
from uninote.storage.files import create_file, fetch_file, list_sizes, read_bytes, remove_file, write_file
from uninote.storage.local import local_path
from uninote.storage.private_folders import own_folder, private_folder
from uninote.storage.types import MissingFileError, S3Options, is_remote


@dataclass(frozen=True)
class IndexFolder:
    """The files of one index by their names: `uri` is a path, `file:` or `s3://…`.

    A remote file is fetched into a private folder below `cache` (null: this user's below the system's temporary folder)
    when it is first used, and again when it is not as it was fetched; names of files are never used twice for different
    content.
    """

    uri: str
    options: S3Options = field(default_factory=S3Options)
    cache: str | None = None

    def __str__(self) -> str:
        return self.uri

    def read(self, name: str) -> bytes:
        """Return the content of a small file. Raises MissingFileError and what else `uninote.storage.files` raises."""
        return read_bytes(self._place(name), self.options)

    def local(self, name: str) -> Path:
        """Return a path on this machine at which the file can be read and mapped. Raises MissingFileError."""
        if not is_remote(self.uri):
            return local_path(self.uri) / name
        path = self._cached(name)
        if not _is_as_fetched(path):
            write_atomically(path, lambda temporary: fetch_file(self._place(name), temporary, self.options))
            _note_hash(path)
        return path

    def put(self, name: str, write: Callable[[Path], None]) -> StoredFile:
        """Let `write` fill a temporary file, then publish it: readers see all of it or nothing."""
        path = self._cached(name) if is_remote(self.uri) else local_path(self.uri) / name
        write_atomically(path, write)
        found = StoredFile(name, path.stat().st_size, sha256_of(path))
        if is_remote(self.uri):
            _note_hash(path)
            write_file(path, self._place(name), self.options)
        return found

    def create(self, name: str, content: bytes) -> None:
        """Write a small file that replaces none. Raises ExistingFileError where one is there."""
        create_file(self._place(name), content, self.options)

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there any more is fine."""
        remove_file(self._place(name), self.options)
        if is_remote(self.uri):
            self._cached(name).unlink(missing_ok=True)
            _hash_of(self._cached(name)).unlink(missing_ok=True)

    def sizes(self, start: str = "") -> dict[str, int]:
        """Return the size in bytes of every file here whose name begins with `start`, by name: one request a thousand."""
        return list_sizes(self.uri, self.options, start)

    def check_size(self, file: StoredFile, sizes: Mapping[str, int]) -> None:
        """Raise IndexDamagedError unless `sizes` has the file, as long as it was when it was written."""
        found = sizes.get(file.name)
        if found != file.bytes:
            state = "missing" if found is None else f"{found} bytes long"
            raise IndexDamagedError(
                f"{self._place(file.name)} is {state}, the manifest says {file.bytes} bytes; restore it, or build the "
                "index again. If the index was published twice since it was opened here, open it again"
            )

    def checked(self, file: StoredFile) -> Path:
        """Return a local path of the file after comparing its checksum. Raises IndexDamagedError."""
        try:
            path = self.local(file.name)
            found = sha256_of(path)
        except (FileNotFoundError, MissingFileError):
            self.check_size(file, {})
            raise
        if found != file.sha256:
            # A damaged copy is fetched again by the next reader; the file in a local index is all there is.
            if is_remote(self.uri):
                path.unlink(missing_ok=True)
            raise IndexDamagedError(
                f"{self._place(file.name)} has SHA-256 {found}, the manifest says {file.sha256}; restore it or build the "
                "index again"
            )
        return path

    def _place(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"

    def _cached(self, name: str) -> Path:
        root = Path(self.cache) if self.cache else private_folder(own_folder() / "index")
        return private_folder(root / hashlib.sha256(self.uri.encode()).hexdigest()[:16]) / name


def _hash_of(path: Path) -> Path:
    """Return where the hash of a fetched file is noted."""
    return path.with_name(f"{path.name}.sha256")


def _note_hash(path: Path) -> None:
    found = sha256_of(path)

    def write(temporary: Path) -> None:
        temporary.write_text(found)

    write_atomically(_hash_of(path), write)


def _is_as_fetched(path: Path) -> bool:
    """Say whether the file holds what was fetched; read in full once a process, and when its size or time changed."""
    try:
        status = path.stat()
        seen = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        if seen not in _SOUND and sha256_of(path) == _hash_of(path).read_text():
            _SOUND.add(seen)
    except FileNotFoundError:
        return False
    return seen in _SOUND


_SOUND: set[tuple[str, int, int, int]] = set()
