"""Removing the files of a table that no needed version refers to; Delta's own VACUUM knows only the newest version."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from uninote.errors import UninoteError
from uninote.lake.delta_files import files_of
from uninote.storage import lake_files
from uninote.storage.types import is_object_store

_LOG = "_delta_log"
_GRACE_S = 3600.0  # of a file in nobody's log: a writer may be about to commit it


class RetentionError(UninoteError):
    """Files cannot be removed without harm."""


@dataclass(frozen=True)
class Needed:
    """What of a table is needed besides its newest version: these `versions`, and its change feed after `feed_since`.

    `feed_since` null: nobody reads its feed.
    """

    versions: frozenset[int]
    feed_since: int | None = None


@dataclass(frozen=True)
class Removed:
    """How many files went, and their bytes."""

    files: int = 0
    bytes: int = 0


def remove_unneeded(uri: str, needed: Needed, grace_hours: float = 0.0, *, dry_run: bool = False) -> Removed:
    """Remove the files of the table at `uri` that nothing needs and that are older than a grace; returns what went.

    A file that a version added or took away within `grace_hours`, or an hour, stays: readers of no release may be at it. Raises
    RetentionError where a needed version cannot be read: then nothing is removed. `dry_run` counts alone.
    """
    used = set(_needed_paths(uri, needed))
    before = time.time() - max(_GRACE_S, grace_hours * 3600)
    files = size = 0
    for name, modified, length in lake_files.files_with_times(uri):
        if name.startswith(f"{_LOG}/") or not name.endswith(".parquet") or name in used or modified > before:
            continue
        if not dry_run:
            _remove(uri, name)
        files += 1
        size += length
    return Removed(files, size)


def _remove(uri: str, name: str) -> None:
    lake_files.remove(lake_files.join(uri, name))
    if not is_object_store(uri):
        # On a disk Spark keeps a checksum beside each file.
        lake_files.remove(lake_files.join(uri, _checksum_of(name)))


def _checksum_of(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}.{file}.crc"


def _needed_paths(uri: str, needed: Needed) -> Iterator[str]:
    """Yield the paths, relative to the table, of all files that are needed."""
    newest = DeltaTable(uri, without_files=True).version()
    for version in {newest, *needed.versions}:
        try:
            for file in files_of(uri, version):
                yield lake_files.relative(uri, file.path)
        except (DeltaError, OSError) as error:
            raise RetentionError(
                f"version {version} of {uri}, which a kept release needs, cannot be read ({str(error).splitlines()[0]}); "
                "nothing of it was removed. Roll back to another release, or unpin this one: uninote releases list"
            ) from error
    if needed.feed_since is not None:
        yield from _fed(uri, needed.feed_since, newest)


def _fed(uri: str, since: int, newest: int) -> Iterator[str]:
    """Yield the files that the change feed after version `since` is read from."""
    for version in range(since + 1, newest + 1):
        content = lake_files.read_or_none(lake_files.join(uri, _LOG, f"{version:020d}.json"))
        # Where the log has forgotten the version, nobody can read its feed either.
        for line in (content or b"").splitlines():
            action = json.loads(line)
            for kind in ("cdc", "add", "remove"):
                # What a compaction joined was there before: no feed is read from it.
                if kind in action and (kind == "cdc" or action[kind]["dataChange"]):
                    yield unquote(action[kind]["path"])
