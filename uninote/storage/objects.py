"""The half of `uninote.storage.lake_files` for object stores: Amazon's S3 and what speaks its language, GCS, Azure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import obstore
import pyarrow.fs as pafs
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from uninote.storage.types import S3_SCHEMES

# How long obstore uses credentials before it asks boto3 again, which is quick and renews those that end within 15 minutes.
# By default half an hour: of credentials that a role gives for an hour, some would have ended.
_CREDENTIALS_LAST = timedelta(seconds=30)
_PAGE = 1000  # names that one request lists or deletes


def read(uri: str) -> bytes:
    """Return an object's content."""
    store, key = _place(uri)
    with _explained(uri):
        return bytes(obstore.get(store, key).bytes())


def size_of(uri: str) -> int:
    """Return an object's bytes."""
    store, key = _place(uri)
    with _explained(uri):
        return int(obstore.head(store, key)["size"])


def is_file(uri: str) -> bool:
    """Say whether there is an object at `uri`."""
    try:
        size_of(uri)
    except FileNotFoundError:
        return False
    return True


def write(uri: str, content: bytes) -> None:
    """Make `content` the object at `uri`."""
    store, key = _place(uri)
    with _explained(uri):
        obstore.put(store, key, content)


def create(uri: str, content: bytes) -> None:
    """Write an object that replaces none. Raises FileExistsError where one is there."""
    store, key = _place(uri)
    with _explained(uri):
        try:
            obstore.put(store, key, content, mode="create")
        except AlreadyExistsError:
            # The store may have taken the object while its answer was lost: tried again, it finds the caller's own object.
            if bytes(obstore.get(store, key).bytes()) != content:
                raise


def files_below(uri: str) -> list[str]:
    """Return the names of all objects below a prefix, relative to it and in order. Folder markers are left out."""
    return [name for name, _, _ in files_with_times(uri)]


def files_with_times(uri: str) -> list[tuple[str, float, int]]:
    """Return (name, seconds since the epoch of its last change, bytes) of each, as `files_below` has them."""
    store, key = _place(uri)
    prefix = f"{key}/" if key else ""
    found = []
    with _explained(uri):
        for page in obstore.list(store, prefix, chunk_size=_PAGE):
            for entry in page:
                if not entry["path"].endswith("/"):
                    changed = entry["last_modified"].timestamp()
                    found.append((entry["path"].removeprefix(prefix), changed, entry["size"]))
    return sorted(found)


def names_in(uri: str) -> list[str]:
    """Return the names of the objects right below a prefix, in order."""
    found = _children(uri)["objects"]
    return sorted(entry["path"].rpartition("/")[2] for entry in found)


def folders_in(uri: str) -> list[str]:
    """Return the names of the prefixes right below a prefix, in order."""
    return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in _children(uri)["common_prefixes"])


def remove(uri: str) -> None:
    """Delete an object; one that is not there is fine."""
    store, key = _place(uri)
    with _explained(uri), suppress(FileNotFoundError):
        obstore.delete(store, key)


def remove_folder(uri: str) -> None:
    """Delete all objects below a prefix."""
    store, key = _place(uri)
    with _explained(uri):
        for page in obstore.list(store, f"{key}/", chunk_size=_PAGE):
            obstore.delete(store, [entry["path"] for entry in page])


def for_arrow(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return Arrow's file system for `uri`, one for each process and bucket, and the path there."""
    parts = urlsplit(uri)
    return _arrow(parts.scheme.lower(), parts.netloc), f"{parts.netloc}/{parts.path.lstrip('/')}"


@cache
def _arrow(scheme: str, bucket: str) -> pafs.FileSystem:
    # Arrow knows the one spelling, Spark the other.
    name = "s3" if scheme in S3_SCHEMES else scheme
    return pafs.FileSystem.from_uri(f"{name}://{bucket}")[0]


def _children(uri: str) -> Any:
    store, key = _place(uri)
    with _explained(uri):
        return obstore.list_with_delimiter(store, f"{key}/" if key else "")


def _place(uri: str) -> tuple[Any, str]:
    """Return the store of a bucket, or container, and the key in it."""
    parts = urlsplit(uri)
    return _store(parts.scheme.lower(), parts.netloc), parts.path.strip("/")


@cache
def _store(scheme: str, bucket: str) -> Any:
    """Return the store of a bucket: one for each process, which keeps its connections and renews its credentials."""
    url = f"{scheme}://{bucket}"
    if scheme not in S3_SCHEMES:
        return from_url(url)
    from obstore.auth.boto3 import Boto3CredentialProvider

    # boto3 looks where all of Amazon's tools look, profiles and commands included; obstore itself leaves these two out.
    try:
        credentials = Boto3CredentialProvider(ttl=_CREDENTIALS_LAST)
    except Exception as error:
        # There are none (ValueError), or a profile or a command that is named does not work.
        raise PermissionError(
            errno.EACCES, f"there are no usable credentials for S3 ({_first_line(error)})", url
        ) from error
    return from_url(url, credential_provider=credentials)


def forget() -> None:
    """Start afresh: a forked worker shares neither sockets nor the threads that serve them."""
    _store.cache_clear()
    _arrow.cache_clear()


os.register_at_fork(after_in_child=forget)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn the library's errors into Python's own, which name the place."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, f"not found ({_first_line(error)})", uri) from error
    except AlreadyExistsError as error:
        raise FileExistsError(errno.EEXIST, "exists already", uri) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, f"access denied ({_first_line(error)})", uri) from error
    except obstore.exceptions.BaseError as error:
        raise OSError(errno.EIO, f"the object store fails ({_first_line(error)})", uri) from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
