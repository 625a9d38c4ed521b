"""Notes of a source that are taken down: ingest leaves them out, as often as the source names them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.notes.taken_down import make_chosen
from uninote.lake.takedowns.watch import Taken


def without_taken_down(notes: DataFrame, taken: Taken) -> tuple[DataFrame, int]:
    """Return the notes that may come in, and how many rows are left out."""
    if not taken:
        return notes, 0
    # By Arrow, not by Spark's SQL: the key of the hashes would stand in the query's plan, which Spark logs and shows.
    kept = notes.mapInArrow(make_chosen(taken, hidden=False), notes.schema)
    return kept, count_taken_down(notes, taken)


def images_of(notes: DataFrame, images: DataFrame | None, taken: Taken) -> DataFrame | None:
    """Return those of `images` (uri, content) that `notes` show, where some were left out: all others are theirs."""
    if images is None or not taken:
        return images
    shown = notes.select(F.explode("images.uri").alias("uri")).distinct()
    return images.join(shown, "uri", "left_semi")


def count_taken_down(notes: DataFrame, taken: Taken) -> int:
    """Return how many of some notes are taken down."""
    if not taken:
        return 0
    ids = notes.select("note_id")
    return ids.mapInArrow(make_chosen(taken, hidden=True), ids.schema).count()
