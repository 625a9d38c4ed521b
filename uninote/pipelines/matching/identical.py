"""Images of notes whose bytes are those of an entry's image, by their content hash."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import GALLERY, image_files_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.matching.scope import Scope
from uninote.pipelines.notes.image_bytes import INLINE


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
    both = F.broadcast(entries).join(_images(scope), "content_hash")
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


def _images(scope: Scope) -> DataFrame:
    """Return (note_id, position, content_hash) of the images of all embedded notes, as an item of an image would have it."""
    run = scope.run
    embedded = last_entry(run, "embed", "all")
    version = None if embedded is None else embedded["inputs"]["notes"]
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    if scope.notes is not None and not scope.entries:
        notes = notes.join(F.broadcast(scope.notes), "note_id", "left_semi")
    items = scope.vectors.snapshot.read("items").where("kind = 'note'").select("note_id")
    shown = F.filter("images", lambda image: image.isNotNull())
    one = notes.join(items, "note_id", "left_semi").select("note_id", F.posexplode(shown).alias("position", "image"))
    spec = image_files_table(run.note_id)
    files = tables.read_or_empty(run.spark, spec, run.lake.uri(spec.name))
    known = files.select("note_id", F.explode("files").alias("file")).select(
        "note_id", F.col("file.uri").alias("uri"), F.col("file.digest").alias("stored")
    )
    named = one.select("note_id", "position", F.col("image.uri").alias("uri"))
    inline = F.when(F.col("uri").startswith(INLINE), F.substring_index("uri", ":", -1))
    digest = F.coalesce(inline, F.col("stored"))
    found = named.join(known, ["note_id", "uri"], "left").withColumn("digest", digest)
    # In the place of a digest stands a word where a file cannot be used.
    usable = found.where(F.col("digest").rlike("^[0-9a-f]{64}$"))
    return usable.select("note_id", "position", _content_hash(F.col("digest")).alias("content_hash"))


def _content_hash(digest: Column) -> Column:
    """Return what `uninote.notes.hashing.content_hash` makes of an image alone."""
    return F.substring(F.sha2(F.concat(F.lit('["", "", [], [["", "'), digest, F.lit('"]]]')), 256), 1, 32)
