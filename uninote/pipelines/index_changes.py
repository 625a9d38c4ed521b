"""What a night changed in what an index holds: told by the change feed of the items, counted against the index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest
from uninote.index.note_keys import NoteKeys
from uninote.index.search import read_gone
from uninote.index.template import Template
from uninote.pipelines import tables
from uninote.pipelines.run import Run
from uninote.pipelines.sampling import sample_vectors

ENOUGH_ROWS = 256  # fewer say nothing of drift
_DRIFT_ROWS = 4096
_BEFORE = ("delete", "update_preimage")  # what the feed calls the rows that were there


@dataclass(frozen=True)
class Changes:
    """`keys`: item_key and `was`, whether the index holds that key, of every item that changed. `gone` counts those."""

    keys: DataFrame
    count: int
    gone: int


def find_changes(run: Run, manifest: Manifest, version: int) -> Changes | None:
    """Return what changed between the manifest's version of the items and `version`; None where the feed does not tell.

    An item counts as changed with its note's attributes too, since filters use them.
    """
    since = manifest.segments[-1].versions["items"]
    if since > version:
        return None
    if since == version:
        keys = run.spark.createDataFrame([], "item_key bigint, was boolean")
        return Changes(keys, 0, 0)
    feed = tables.read_changes(run.spark, run.generation.uri("items"), since + 1, version)
    mine = feed.where(F.col("kind").isin(*manifest.kinds))
    commit, before = F.col("_commit_version"), F.col("_change_type").isin(*_BEFORE)
    # In the first commit that touches a key, a row that was there is one that the index holds.
    keys = mine.groupBy("item_key").agg(
        (F.coalesce(F.min(F.when(before, commit)), F.lit(version + 1)) <= F.min(commit)).alias("was")
    )
    try:
        keys = keys.persist()
        counted = keys.agg(F.count("*").alias("count"), F.count_if("was").alias("gone")).collect()[0]
    except (PySparkException, Py4JJavaError):  # files of the feed may be gone although the log still names them
        return None
    return Changes(keys, counted["count"], counted["gone"])


@dataclass(frozen=True)
class Gone:
    """The keys, sorted int64, that the base no longer answers for, and those that the segment since then no longer does."""

    base: np.ndarray
    since: np.ndarray

    @classmethod
    def of(cls, folder: IndexFolder, before: Manifest, changes: Changes) -> Gone:
        """Sort what a night took away: each key was live in one of the two segments."""
        went = np.sort(np.asarray(changes.keys.where("was").select("item_key").toArrow()["item_key"].to_numpy()))
        held = [NoteKeys(folder.checked(shard.keys)).keys for shard in before.since.shards]
        since = np.intersect1d(went, np.concatenate([np.empty(0, np.int64), *held]))
        return cls(np.union1d(read_gone(folder, before.since), np.setdiff1d(went, since)), since)


def drift(template: Template, vectors: DataFrame, rows: int, base_rows: int, seed: int) -> dict[str, float]:
    """Return how much worse the template fits `vectors` than its own sample: ratios, 1 where nothing drifted.

    `code_error_ratio` is that of the mean squared distance between vectors and their decoded codes; `imbalance_ratio`
    that of sum(n²)/sum(n)² over the rows n of the lists, once these vectors join the base: what a search scans.
    """
    sample = sample_vectors(vectors, rows, min(rows, _DRIFT_ROWS), seed)[1]
    lists = np.bincount(template.assign(template.rotate(sample)), minlength=template.nlist) / len(sample)
    base = template.list_rows / template.list_rows.sum()
    joined = (base * base_rows + lists * rows) / (base_rows + rows)
    error = template.code_error(sample) / template.error if template.error > 0 else 1.0
    return {"code_error_ratio": error, "imbalance_ratio": float((joined**2).sum() / (base**2).sum())}
