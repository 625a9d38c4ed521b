"""Which items changed since a version of their table, by its change feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.delta_files import files_since, read_feed
from uninote.lake.parquet_files import DataFile
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.stored_vectors import StoredVectors
from uninote.vectors.last_rows import last_rows

_BEFORE = ("delete", "update_preimage")  # what the feed calls the rows that were there


@dataclass(frozen=True)
class ChangedItems:
    """`keys`, persisted: item_key and `was`, whether it was there before, of each item that changed. `existed` counts those."""

    keys: DataFrame
    count: int
    existed: int


def find_changed(run: Run, kinds: Sequence[str], since: int, version: int) -> ChangedItems | None:
    """Return what changed after version `since` of the items, up to `version`; None where the feed does not say.

    An item counts as changed with its note's attributes too, since filters use them.
    """
    if since > version:
        return None
    if since == version:
        return ChangedItems(run.spark.createDataFrame([], "item_key bigint, was boolean"), 0, 0)
    commit = F.col("_commit_version")
    before = F.col("_change_type").isin(*_BEFORE)
    # In the first commit that touches a key, a row that is taken away is one that was there.
    was = F.coalesce(F.min(F.when(before, commit)), F.lit(version + 1)) <= F.min(commit)
    try:
        feed = tables.read_changes(run.spark, run.generation.uri("items"), since + 1, version)
        keys = feed.where(F.col("kind").isin(*kinds)).groupBy("item_key").agg(was.alias("was")).persist()
        counted = keys.agg(F.count("*").alias("count"), F.count_if("was").alias("existed")).collect()[0]
    except (PySparkException, Py4JJavaError):  # files of the feed may be deleted although the log still names them
        return None
    return ChangedItems(keys, counted["count"], counted["existed"])


def changed_keys(run: Run, kinds: Sequence[str], since: int, version: int) -> np.ndarray | None:
    """Return int64 ascending, the keys of items that changed after version `since`; None where the feed does not say."""
    if since >= version:
        return np.empty(0, np.int64) if since == version else None
    feed = read_feed(run.generation.uri("items"), since, version, kinds)
    return None if feed is None else np.unique(feed.keys)


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
