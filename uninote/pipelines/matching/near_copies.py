"""Images of notes that look like those of entries, by PDQ hashes: near copies, whatever the model makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BooleanType, FloatType, IntegerType, StringType, StructType

from udfs.matching.near_copies import make_image_hashes, make_near_copies
from uninote.lake.schemas import GALLERY, IMAGE_BYTES, IMAGE_HASHES, struct_of
from uninote.media.near_copies import LEAST_QUALITY
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.note_images import note_images
from uninote.pipelines.matching.scope import Scope
from uninote.pipelines.notes.images.image_hashes import hashes_images, store_hashes
from uninote.pipelines.notes.images.media_roots import media_policy
from uninote.pipelines.runtime.progress import watched

# Images that are committed together: what a killed run hashes again is at most that.
CHUNK = 100_000
_FOUND = ("note_id", "position", "content_hash")


@contextmanager
def near_copies(scope: Scope) -> Iterator[DataFrame | None]:
    """Yield a row for each image of a note that is a near copy of an entry's, of pairs in scope; null where nobody asks."""
    run = scope.run
    if not hashes_images(run):
        yield None
        return
    images = note_images(scope)
    _hash_others(run, images)
    entries = _entries(scope)
    if not len(entries):
        yield None
        return
    stored = tables.read_or_empty(run.spark, IMAGE_HASHES, run.lake.uri(IMAGE_HASHES.name))
    hashed = images.join(stored.where(F.col("quality") >= LEAST_QUALITY), "digest").select(*_FOUND, "bits")
    shared = run.spark.sparkContext.broadcast(entries)
    schema = _schema(run)
    try:
        find = make_near_copies(lambda: shared.value, to_arrow_schema(schema))
        found = _with_changed(scope, hashed).mapInArrow(find, schema)
        yield found.select(
            *_FOUND,
            "entry_id",
            F.lit("image").alias("entry_kind"),
            "entry_position",
            "category",
            F.lit("image").alias("kind"),
            "score",
            (~F.col("generic")).alias("acts"),
            F.lit(None).cast("double").alias("threshold"),
        )
    finally:
        shared.destroy()


def _schema(run: Run) -> StructType:
    return struct_of(
        note_id=run.note_id,
        position=IntegerType(),
        content_hash=StringType(),
        entry_id=StringType(),
        entry_position=IntegerType(),
        category=StringType(),
        generic=BooleanType(),
        score=FloatType(),
    )


def _entries(scope: Scope) -> pa.Table:
    """Return the entries' images that can be told from others: 32 bytes each, and whether the entry changed."""
    gallery = tables.read_table(scope.run.spark, scope.run.generation.uri(GALLERY.name), scope.gallery)
    usable = gallery.where(f"kind = 'image' AND enabled AND image_quality >= {LEAST_QUALITY}")
    is_changed = F.lit(True) if scope.entries is None else F.col("entry_id").isin(*scope.entries)
    return usable.select(
        "entry_id",
        F.col("position").alias("entry_position"),
        "category",
        "generic",
        F.col("image_bits").alias("bits"),
        is_changed.alias("entry_changed"),
    ).toArrow()


def _with_changed(scope: Scope, images: DataFrame) -> DataFrame:
    if scope.notes is None:
        return images.withColumn("note_changed", F.lit(True))
    changed = F.broadcast(scope.notes.withColumn("note_changed", F.lit(True)))
    return images.join(changed, "note_id", "left").withColumn("note_changed", F.coalesce("note_changed", F.lit(False)))


def _hash_others(run: Run, images: DataFrame) -> None:
    """Hash images that no task hashed beside a vector: embedded before anybody asked, or not shown to the model."""
    known = tables.read_or_empty(run.spark, IMAGE_HASHES, run.lake.uri(IMAGE_HASHES.name)).select("digest")
    others = images.groupBy("digest").agg(F.min("uri").alias("uri")).join(known, "digest", "left_anti").persist()
    total = others.count()
    if total:
        inline = tables.read_or_empty(run.spark, IMAGE_BYTES, run.lake.uri(IMAGE_BYTES.name))
        chunks = -(-total // CHUNK)
        with watched(run.spark.sparkContext, "match: images hashed", total) as done:
            make = make_image_hashes(media_policy(run), done.add, to_arrow_schema(IMAGE_HASHES.schema))
            for number in range(chunks):
                chunk = others.where(F.pmod(F.xxhash64("digest"), F.lit(chunks)) == number)
                rows = chunk.join(inline, "uri", "left").select("digest", "uri", "content")
                store_hashes(run, rows.mapInArrow(make, IMAGE_HASHES.schema))
    others.unpersist()
