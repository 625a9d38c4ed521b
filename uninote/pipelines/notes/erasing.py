"""Rows that no stage would remove of notes that are taken down: what is known of their images, and why some were set aside."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from udfs.notes.taken_down import make_chosen, make_quoting
from uninote.lake.schemas import (
    IMAGE_DIGESTS,
    IMAGE_HASHES,
    IMAGE_TEXTS,
    TableSpec,
    image_files_table,
    quarantine_table,
)
from uninote.lake.takedowns.watch import Taken
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_bytes import INLINE


def erase_rows(run: Run, notes: DataFrame, taken: Taken) -> None:
    """Remove from tables beside the `notes` what is of notes that are taken down, and of images that no note shows any more."""
    if not taken:
        return
    files = image_files_table(run.note_id)
    known = tables.read_or_empty(run.spark, files, run.lake.uri(files.name))
    ids = known.select("note_id")
    _delete(run, files, ids.mapInArrow(make_chosen(taken, hidden=True), ids.schema))

    shown = notes.select(F.explode("images.uri").alias("uri")).distinct()
    inline = shown.where(F.col("uri").startswith(INLINE)).select(F.substring_index("uri", ":", -1).alias("digest"))
    known = tables.read_or_empty(run.spark, files, run.lake.uri(files.name))
    used = known.select(F.explode("files.digest").alias("digest")).unionByName(inline)
    former = tables.read_or_empty(run.spark, IMAGE_DIGESTS, run.lake.uri(IMAGE_DIGESTS.name))
    used = used.unionByName(former.join(shown, "uri", "left_semi").select("digest"))
    for spec in (IMAGE_TEXTS, IMAGE_HASHES):
        stored = tables.read_or_empty(run.spark, spec, run.lake.uri(spec.name)).select("digest").distinct()
        _delete(run, spec, stored.join(used, "digest", "left_anti"))
    _delete(run, IMAGE_DIGESTS, former.select("uri").join(shown, "uri", "left_anti"))

    history = quarantine_table(run.note_id)
    rows = tables.read_or_empty(run.spark, history, run.lake.uri(history.name)).select(*history.key, "message")
    found = rows.mapInArrow(make_quoting(taken, hidden=True), rows.schema)
    _delete(run, history, found.select(*history.key).distinct())


def without_quoted(rejects: DataFrame, taken: Taken) -> DataFrame:
    """Return the rows that are no notes, (reason, message), without those that name a note that is taken down."""
    if not taken:
        return rejects
    plain = rejects.select(F.col("reason").cast(StringType()), F.col("message").cast(StringType()))
    return plain.mapInArrow(make_quoting(taken, hidden=False), plain.schema)


def _delete(run: Run, spec: TableSpec, keys: DataFrame) -> None:
    uri = run.lake.uri(spec.name)
    keys = keys.persist()
    # Asked first, since a commit that changes nothing would still be a new version of the table.
    if tables.has_table(uri) and not keys.isEmpty():
        tables.delete_keys(keys, spec, uri)
    keys.unpersist()
