"""Where the files of a source lie and how they are opened: local paths as they are named, stores through Arrow."""

from __future__ import annotations

import bz2
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as arrow_fs

from uninote.storage.local import local_path
from uninote.storage.types import SCHEME, S3Options, is_remote

# Spark, Hive and Arrow skip such names: they are of files that a writer has not finished.
HIDDEN = ("_", ".")
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class SourceFile:
    """A file: its URI, its bytes, and what its folders `column=value` say, as text."""

    uri: str
    size: int
    partition: tuple[tuple[str, str | None], ...] = ()

    @property
    def is_compressed(self) -> bool:
        """Whether the file can only be read from its beginning."""
        return self.uri.lower().endswith(COMPRESSED)


def is_local(uri: str) -> bool:
    """Say whether `uri` is a path or a `file:` URI. A path is taken as it is: no character of it means anything."""
    scheme = SCHEME.match(uri)
    return scheme is None or (scheme[1] or scheme[2]).lower() == "file"


def open_binary(uri: str, options: S3Options) -> IO[bytes]:
    """Open a file for reading, at any place of it, as it is stored."""
    if is_local(uri):
        return local_path(uri).open("rb")
    system, path = _system(uri, options)
    opened: IO[bytes] = system.open_input_file(path)
    return opened


def open_text(uri: str, options: S3Options) -> IO[bytes]:
    """Open a file for reading from its beginning, decompressed where its name says that it is compressed."""
    opened = open_binary(uri, options)
    name = uri.lower()
    if name.endswith(".gz"):
        return gzip.open(opened, "rb")  # type: ignore[return-value]
    if name.endswith(".bz2"):
        return bz2.open(opened, "rb")
    if name.endswith((".zst", ".lz4")):
        stream: IO[bytes] = pa.CompressedInputStream(opened, "zstd" if name.endswith(".zst") else "lz4")
        return stream
    return opened


def list_files(uri: str, options: S3Options) -> tuple[list[SourceFile], list[str]]:
    """Return the files of a folder and of its folders `column=value`, and the names of the hidden files that are skipped.

    A file alone is returned whatever its name.
    """
    found = _list_local(local_path(uri)) if is_local(uri) else _list_remote(uri, options)
    return sorted(found[0], key=lambda file: file.uri), sorted(found[1])


def _list_local(root: Path) -> tuple[list[SourceFile], list[str]]:
    if root.is_file():
        return [SourceFile(str(root), root.stat().st_size)], []
    files: list[SourceFile] = []
    hidden: list[str] = []
    folders: list[tuple[Path, tuple[tuple[str, str | None], ...]]] = [(root, ())]
    while folders:
        folder, partition = folders.pop()
        for entry in os.scandir(folder):
            path = folder / entry.name
            if entry.name.startswith(HIDDEN):
                hidden += [entry.name] if entry.is_file() else []
            # Of folders only those that Hive's partitions are named like, `column=value`, belong to the source.
            elif entry.is_dir() and "=" in entry.name:
                folders.append((path, (*partition, _partition(entry.name))))
            elif entry.is_file():
                files.append(SourceFile(str(path), entry.stat().st_size, partition))
    return files, hidden


def _list_remote(uri: str, options: S3Options) -> tuple[list[SourceFile], list[str]]:
    system, root = _system(uri, options)
    if system.get_file_info(root).type == arrow_fs.FileType.File:
        return [SourceFile(uri, system.get_file_info(root).size)], []
    files = []
    hidden = []
    selector = arrow_fs.FileSelector(root, allow_not_found=True, recursive=True)
    for info in system.get_file_info(selector):
        *folders, name = info.path[len(root) :].strip("/").split("/")
        if info.type != arrow_fs.FileType.File or not all("=" in folder for folder in folders):
            continue
        if name.startswith(HIDDEN):
            hidden.append(name)
        else:
            place = f"{uri.rstrip('/')}/{'/'.join([*folders, name])}"
            files.append(SourceFile(place, info.size, tuple(map(_partition, folders))))
    return files, hidden


def _partition(folder: str) -> tuple[str, str | None]:
    column, _, value = folder.partition("=")
    return unquote(column), None if value == NO_PARTITION else unquote(value)


def _system(uri: str, options: S3Options) -> tuple[Any, str]:
    """Return the file system of a store, and the file's path within."""
    if not is_remote(uri):
        found: tuple[Any, str] = arrow_fs.FileSystem.from_uri(uri)
        return found
    # Arrow's client reads fewer of the environment's variables than boto3 does; both must reach the same store.
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    settings: dict[str, Any] = {"region": region}
    endpoint = options.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        settings |= {"endpoint_override": urlsplit(endpoint).netloc, "scheme": urlsplit(endpoint).scheme}
    return arrow_fs.S3FileSystem(**settings), uri.partition("://")[2]
