"""Which items changed since a version of their table, by its change feed.

Feeds are read here without Spark: they hold what changed and nothing else, and planning would cost more than reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uninote.lake.change_feed import files_since, read_feed
from uninote.lake.parquet_files import DataFile
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.vectors.last_rows import last_rows


@dataclass(frozen=True)
class ChangedItems:
    """The `keys`, int64 ascending, of items that changed; which of them `existed` before, and which `exist` now, bool."""

    keys: np.ndarray
    existed: np.ndarray
    exist: np.ndarray


def changed_items(uri: str, kinds: Sequence[str], since: int, version: int) -> ChangedItems | None:
    """Return what changed after version `since` of the items at `uri`, up to `version`; None where the feed does not say.

    An item counts as changed with its note's attributes too, since filters use them.
    """
    if since >= version:
        nothing = np.empty(0, bool)
        return ChangedItems(np.empty(0, np.int64), nothing, nothing) if since == version else None
    feed = read_feed(uri, since, version, kinds)
    if feed is None:
        return None
    # In the first commit that touches a key, a row that is taken away is one that was there; an edit takes one away too.
    first = last_rows(feed.keys, -feed.versions, ~feed.there)
    last = last_rows(feed.keys, feed.versions, feed.there)
    return ChangedItems(feed.keys[first], ~feed.there[first], feed.there[last])


@dataclass(frozen=True)
class ChangedVectors:
    """Which vectors changed, and where the new ones lie: their keys alone are in the driver.

    `upserted`, int64 ascending, are there now, last written by the version in `commits`; `deleted` are not. `files` are
    those of the feed, each with the version that wrote it.
    """

    upserted: np.ndarray
    commits: np.ndarray
    deleted: np.ndarray
    files: Sequence[tuple[int, DataFile]]


def changed_vectors(vectors: StoredVectors, since: int, version: int) -> ChangedVectors | None:
    """Return which vectors changed after version `since`, up to `version`; None where the feed does not say."""
    nothing = np.empty(0, np.int64)
    if since >= version:
        return ChangedVectors(nothing, nothing, nothing, []) if since == version else None
    uri = vectors.run.generation.uri(vectors.snapshot.vectors_name(vectors.width))
    files = files_since(uri, since, version)
    feed = read_feed(uri, since, version, vectors.kinds) if files is not None else None
    if feed is None or files is None:
        return None
    # A commit that replaces a row has it twice: as it was, and as it is there now, which counts.
    last = last_rows(feed.keys, feed.versions, feed.there)
    keys = feed.keys[last]
    there = feed.there[last]
    return ChangedVectors(keys[there], feed.versions[last][there], keys[~there], files)
