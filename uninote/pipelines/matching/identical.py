"""Images of notes whose bytes are those of an entry's image, by their content hash."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import GALLERY
from uninote.pipelines.lake import tables
from uninote.pipelines.matching.note_images import note_images
from uninote.pipelines.matching.scope import Scope


def identical(scope: Scope) -> DataFrame | None:
    """Return a row for each image of a note in scope and each entry's image of the same bytes; null where there can be none.

    An encoder that sees no images has no hashes of their bytes.
    """
    run = scope.run
    gallery = tables.read_table(run.spark, run.generation.uri(GALLERY.name), scope.gallery)
    images = gallery.where("kind = 'image' AND enabled AND vector IS NOT NULL")
    if not run.model.sees_images or images.isEmpty():
        return None
    entries = images.select(
        "entry_id",
        F.col("kind").alias("entry_kind"),
        F.col("position").alias("entry_position"),
        "category",
        "generic",
        "content_hash",
    )
    both = F.broadcast(entries).join(note_images(scope).drop("uri", "digest"), "content_hash")
    return scope.in_scope(both).select(
        "note_id",
        "entry_id",
        "entry_kind",
        "category",
        F.lit("image").alias("kind"),
        "content_hash",
        "entry_position",
        "position",
        F.lit(1.0).cast("float").alias("score"),
        (~F.col("generic")).alias("acts"),
        F.lit(None).cast("double").alias("threshold"),
    )
