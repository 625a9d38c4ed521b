"""Images of all notes, or of those that changed, with the bytes behind them as their SHA-256."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import image_files_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.matching.scope import Scope
from uninote.pipelines.notes.images.image_bytes import INLINE


def note_images(scope: Scope) -> DataFrame:
    """Return (note_id, position, uri, digest, content_hash) of the images of embedded notes: of all, or those in scope.

    `content_hash` is that of an item of the image alone. Images whose bytes nobody knows are left out.
    """
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
    return usable.select("note_id", "position", "uri", "digest", _content_hash(F.col("digest")).alias("content_hash"))


def _content_hash(digest: Column) -> Column:
    """Return what `uninote.notes.hashing.content_hash` makes of an image alone."""
    return F.substring(F.sha2(F.concat(F.lit('["", "", [], [["", "'), digest, F.lit('"]]]')), 256), 1, 32)
