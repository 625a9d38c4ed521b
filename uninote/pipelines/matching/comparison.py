"""The comparison: what tasks find is stored once, and read twice, as matches and as a histogram of best scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructType,
)

from udfs.matching.compare import CompareTask, make_compare, make_histograms
from uninote.gallery.entries import Group
from uninote.gallery.found import BYTES, EMBEDDING, PDQ
from uninote.gallery.thresholds import ACT, REVIEW, Thresholds
from uninote.lake.schemas import GALLERY, struct_of
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.identical import identical
from uninote.pipelines.matching.scope import Scope

STAGED = "hits"
_READ = ("item_key", "item_id", "note_id", "kind", "content_hash", "vector")
_COUNTED = struct_of(
    category=StringType(), entry_kind=StringType(), note_kind=StringType(), bin=IntegerType(), notes=LongType()
)
_MATCH = ("category", "entry_kind", "entry_position", "kind", "position", "content_hash", "score", "acts", "threshold")


def hit_schema(run: Run) -> StructType:
    """Return the columns of what tasks find: see `make_compare`."""
    text = dict.fromkeys(("entry_id", "entry_kind", "category", "kind", "content_hash"), StringType())
    whole = dict.fromkeys(("entry_position", "position"), IntegerType())
    fields = {"score": FloatType(), "acts": BooleanType(), "threshold": DoubleType(), "bins": BinaryType()}
    return struct_of(note_id=run.note_id, **text, **whole, **fields)


@contextmanager
def compared(scope: Scope, thresholds: Thresholds, without: Sequence[str] = ()) -> Iterator[DataFrame]:
    """Yield what tasks found: every changed item against all entries, and all items against every changed entry.

    Rows with `bins` are those of the changed items; they go when the context ends. Entries `without` are left out.
    """
    run = scope.run
    uri = run.staging(STAGED)
    task = CompareTask(scope.gallery_paths, scope.vectors.width, run.model.generation, thresholds, without)
    schema = hit_schema(run)
    keys = run.spark.sparkContext.broadcast(scope.keys)

    def changed() -> np.ndarray:
        return keys.value

    only = changed if not scope.is_whole and not scope.entries else None
    if not scope.is_whole and scope.entries:
        # One reading of all vectors: changed items meet all entries, and all others the entries that changed.
        task = replace(task, changed=scope.entries, keys=changed)
    try:
        found = scope.vectors.scan(make_compare(task, to_arrow_schema(schema)), schema, _READ, keys=only)
        found.write.mode("overwrite").parquet(uri)
        yield run.spark.read.schema(schema).parquet(uri)
    finally:
        keys.destroy()
        tables.remove(uri)


def best_matches(scope: Scope, found: DataFrame, copies: DataFrame | None = None) -> DataFrame:
    """Return one row for each entry and note: its best item, which acts if any does, then is furthest above its threshold.

    Identical bytes come before near `copies` of images, and these before any cosine. Notes that are taken down, which the
    next ingest deletes, are in none.
    """
    hits = found.where("bins IS NULL").drop("bins").withColumn("found_by", F.lit(EMBEDDING))
    for rows, name in ((identical(scope), BYTES), (copies, PDQ)):
        if rows is not None:
            hits = hits.unionByName(rows.withColumn("found_by", F.lit(name)))
    names = taken_down(scope.run.lake.root).names
    hits = hits.where(~F.col("note_id").cast("string").isin(*names))
    order = F.struct(
        F.col("acts"),
        F.when(F.col("found_by") == BYTES, 2).when(F.col("found_by") == PDQ, 1).otherwise(0).alias("certainty"),
        (F.col("score").cast("double") - F.coalesce("threshold", F.lit(0.0))).alias("margin"),
        F.col("kind"),
        (-F.col("position")).alias("place"),
        F.col("entry_kind"),
        (-F.col("entry_position")).alias("entry_place"),
    )
    values = F.struct(*_MATCH, "found_by")
    best = hits.groupBy("entry_id", "note_id").agg(F.max_by(values, order).alias("best"))
    made = best.select("entry_id", "note_id", "best.*")
    decision = F.when(F.col("acts"), ACT).otherwise(REVIEW)
    return made.withColumn("decision", decision).drop("acts")


def best_scores(scope: Scope, found: DataFrame, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return (category, entry_kind, note_kind, bin, notes) of notes that were compared with all entries but those `without`."""
    groups = gallery_groups(scope, without)
    if not groups:
        return []
    bins = found.where("bins IS NOT NULL").select("note_id", "kind", "bins")
    sorted_rows = bins.repartition("note_id").sortWithinPartitions("note_id", "kind")
    counted = sorted_rows.mapInArrow(make_histograms(groups, to_arrow_schema(_COUNTED)), _COUNTED)
    keys = ["category", "entry_kind", "note_kind", "bin"]
    return [row.asDict() for row in counted.groupBy(*keys).agg(F.sum("notes").alias("notes")).collect()]


def gallery_groups(scope: Scope, without: Sequence[str]) -> Sequence[Group]:
    """Return the groups of the entries that are compared, in the order in which tasks have them."""
    gallery = tables.read_table(scope.run.spark, scope.run.generation.uri(GALLERY.name), scope.gallery)
    used = gallery.where("enabled AND vector IS NOT NULL").where(~F.col("entry_id").isin(*without))
    used = used.select("kind", "category").distinct()
    return sorted(Group(row["kind"], row["category"]) for row in used.collect())
