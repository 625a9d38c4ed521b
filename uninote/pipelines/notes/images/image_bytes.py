"""Images that a source holds as bytes: a URI made of their hash goes with the note, the bytes into a table of their own.

The notes table has a change feed, which would keep every image twice; and change detection must never read one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import IMAGE_BYTES
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

INLINE = "inline:"


def store_image_bytes(run: Run, images: DataFrame | None) -> int:
    """Add those of `images` that are not in the lake yet, remove those no note has any more; return how many are new."""
    uri = run.lake.uri(IMAGE_BYTES.name)
    added = 0
    if images is not None:
        known = tables.read_or_empty(run.spark, IMAGE_BYTES, uri).select("uri")
        before = known.count()
        # Appended without MERGE: a URI is the hash of its content, so that what is there already needs no update.
        tables.append(images.join(known, "uri", "left_anti"), IMAGE_BYTES, uri)
        added = tables.read_table(run.spark, uri).count() - before
    if tables.has_table(uri):
        _remove_unused(run, uri)
    return added


def stored_images(run: Run, uris: Sequence[str]) -> dict[str, bytes]:
    """Return the content of those of some URIs that lie in the lake: for a few notes at a time."""
    wanted = [uri for uri in uris if uri.startswith(INLINE)]
    if not wanted:
        return {}
    table = tables.read_table(run.spark, run.lake.uri(IMAGE_BYTES.name))
    found = {}
    for row in table.where(F.col("uri").isin(wanted)).collect():
        found[row["uri"]] = bytes(row["content"])
    return found


def _remove_unused(run: Run, uri: str) -> None:
    notes = tables.read_table(run.spark, run.lake.uri("notes"))
    used = notes.select(F.explode("images.uri").alias("uri")).where(F.col("uri").startswith(INLINE))
    # Names alone are read of both tables: contents are the largest column of a lake.
    unused = tables.read_table(run.spark, uri).select("uri").join(used, "uri", "left_anti").distinct()
    # Asked first, since a commit that changes nothing would still be a new version of the table.
    if not unused.isEmpty():
        tables.delete_keys(unused, IMAGE_BYTES, uri)
