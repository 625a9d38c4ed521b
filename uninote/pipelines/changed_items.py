"""Which items changed since a version of their table, as its change feed tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type

from udfs.stored_rows import select_items
from uninote.delta_files import read_feed
from uninote.pipelines import tables
from uninote.pipelines.run import Run
from uninote.pipelines.stored_vectors import StoredVectors

_BEFORE = ("delete", "update_preimage")  # what the feed calls the rows that were there
_THERE = ("insert", "update_postimage")  # and those that are there now
_VECTOR = pa.list_(pa.field("element", pa.float32(), nullable=False))


@dataclass(frozen=True)
class ChangedItems:
    """`keys`, persisted: item_key and `was`, whether it was there before, of each item that changed. `gone` counts those."""

    keys: DataFrame
    count: int
    gone: int


def find_changed(run: Run, kinds: Sequence[str], since: int, version: int) -> ChangedItems | None:
    """Return what changed after version `since` of the items, up to `version`; None where the feed does not tell.

    An item counts as changed with its note's attributes too, since filters use them.
    """
    if since > version:
        return None
    if since == version:
        return ChangedItems(run.spark.createDataFrame([], "item_key bigint, was boolean"), 0, 0)
    feed = tables.read_changes(run.spark, run.generation.uri("items"), since + 1, version)
    mine = feed.where(F.col("kind").isin(*kinds))
    commit, before = F.col("_commit_version"), F.col("_change_type").isin(*_BEFORE)
    # In the first commit that touches a key, a row that is taken away is one that was there.
    keys = mine.groupBy("item_key").agg(
        (F.coalesce(F.min(F.when(before, commit)), F.lit(version + 1)) <= F.min(commit)).alias("was")
    )
    try:
        keys = keys.persist()
        counted = keys.agg(F.count("*").alias("count"), F.count_if("was").alias("gone")).collect()[0]
    except (PySparkException, Py4JJavaError):  # files of the feed may be gone although the log still names them
        return None
    return ChangedItems(keys, counted["count"], counted["gone"])


def changed_keys(run: Run, kinds: Sequence[str], since: int, version: int) -> np.ndarray | None:
    """Return int64 ascending, the keys of items that changed after version `since`; None where the feed does not tell."""
    if since >= version:
        return np.empty(0, np.int64) if since == version else None
    feed = read_feed(run.generation.uri("items"), since, version, ["item_key", "kind"])
    if feed is None:
        return None
    mine = feed.filter(pc.is_in(feed["kind"], pa.array(kinds)))
    return np.unique(mine["item_key"].to_numpy())


def changed_vectors(vectors: StoredVectors, since: int, version: int) -> tuple[pa.Table, np.ndarray] | None:
    """Return (item_key, note_id and vector of what changed after version `since` and is there, the keys of what went).

    None where the feed does not tell. Raises UninoteError at a vector that another encoder made.
    """
    name, run = vectors.snapshot.vectors_name(vectors.width), vectors.run
    columns = ["item_key", "note_id", "vector"]
    if since == version:
        nothing = pa.schema([("item_key", pa.int64()), ("note_id", to_arrow_type(run.note_id)), ("vector", _VECTOR)])
        return nothing.empty_table(), np.empty(0, np.int64)
    if since > version:
        return None
    feed = read_feed(run.generation.uri(name), since, version, [*columns, "kind", "generation"])
    if feed is None:
        return None
    mine = select_items(feed, vectors.kinds, run.model.generation, name)
    keys, there = mine["item_key"].to_numpy(), np.isin(mine["_change_type"].to_pylist(), _THERE)
    order = np.lexsort((there, mine["_commit_version"].to_numpy(), keys))
    last = order[np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]]
    return mine.take(pa.array(last[there[last]])).select(columns), keys[last[~there[last]]]
