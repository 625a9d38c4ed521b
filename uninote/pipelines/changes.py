"""Which notes need work: the notes table compared with what was embedded and what was set aside."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType

from udfs.notes import META_COLUMNS, MODEL_COLUMNS, make_fingerprint
from uninote.pipelines.media_roots import media_policy
from uninote.pipelines.run import Run
from uninote.pipelines.tables import read_or_empty
from uninote.schemas import items_table, quarantine_table

NEW = "new"  # needs the model, and gets a key
EDITED = "edited"  # its content changed: needs the model
ATTRIBUTES = "attributes"  # only what filters use changed: needs no model
UNCHANGED = "unchanged"
QUARANTINED = "quarantined"  # set aside before, with this very content
DELETED = "deleted"  # has a vector, but is no longer among the notes
SETTLED = frozenset({UNCHANGED, QUARANTINED})  # nothing to do


def find_changes(run: Run, notes: DataFrame, again: bool) -> DataFrame:
    """Return one row for each note that is or was: ids, hashes, `item_key` (null for a new one), `degraded`, `change`.

    With `again`, every note counts as new or edited: no stored vector can serve.
    """
    fresh = _fingerprints(run, notes)
    items = read_or_empty(run.spark, items_table(run.note_id), run.generation.uri("items"))
    known = items.where("kind = 'note'").select(
        "item_key",
        "item_id",
        "degraded",
        F.col("note_id").alias("old_note_id"),
        (F.lit(None) if again else F.col("content_hash")).alias("old_content"),
        F.col("meta_hash").alias("old_meta"),
    )
    joined = fresh.join(known, "item_id", "full").join(_set_aside(run), ["item_id", "content_hash"], "left")
    return joined.select(
        F.coalesce("note_id", "old_note_id").alias("note_id"),
        "item_id",
        "content_hash",
        "meta_hash",
        "item_key",
        "degraded",
        _change().alias("change"),
    )


def _change() -> Column:
    return (
        F.when(F.col("content_hash").isNull(), DELETED)
        .when(F.col("old_content") == F.col("content_hash"), F.when(_same_meta(), UNCHANGED).otherwise(ATTRIBUTES))
        .when(F.col("item_key").isNotNull(), EDITED)
        .when(F.col("set_aside"), QUARANTINED)
        .otherwise(NEW)
    )


def _same_meta() -> Column:
    return F.col("old_meta") == F.col("meta_hash")


def _fingerprints(run: Run, notes: DataFrame) -> DataFrame:
    strings = ("item_id", "content_hash", "meta_hash")
    schema = StructType([StructField("note_id", run.note_id), *(StructField(name, StringType()) for name in strings)])
    wanted = notes.select("note_id", *MODEL_COLUMNS, *META_COLUMNS)
    return wanted.mapInArrow(make_fingerprint(media_policy(run), to_arrow_schema(schema)), schema)


def _set_aside(run: Run) -> DataFrame:
    """Contents that this generation could not embed: they would fail again, so they are not tried again."""
    history = read_or_empty(run.spark, quarantine_table(run.note_id), run.lake.uri("quarantine"))
    mine = (F.col("generation") == run.model.generation) & (F.col("kind") == "note") & (F.col("stage") == "embed")
    return history.where(mine).select("item_id", "content_hash").distinct().withColumn("set_aside", F.lit(True))
