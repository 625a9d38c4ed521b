"""Which items changed since a version of their table, as its change feed tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.pipelines import tables
from uninote.pipelines.run import Run

_BEFORE = ("delete", "update_preimage")  # what the feed calls the rows that were there


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
