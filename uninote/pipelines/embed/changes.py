"""Which items need work: those of the notes compared with what was embedded and what was set aside."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from udfs.notes.fingerprints import MODEL_COLUMNS, make_content_hashes
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, items_table, set_aside_table
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.embed.scope import within
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.tables import read_or_empty
from uninote.pipelines.notes.items import ITEM_KEY, items_of
from uninote.pipelines.notes.media_roots import media_policy

NEW = "new"  # needs the model, and gets a key
EDITED = "edited"  # its content changed: needs the model
ATTRIBUTES = "attributes"  # only what filters use changed: needs no model
UNCHANGED = "unchanged"
QUARANTINED = "quarantined"  # set aside before, with this very content
DELETED = "deleted"  # has a vector, but its note or the part of it is gone
# Known, and the store of one of its images does not answer: it stays as it was, and is compared again next time.
POSTPONED = "postponed"
FORGOTTEN = "forgotten"  # was set aside, and is gone
MODEL = (NEW, EDITED)
SETTLED = frozenset({UNCHANGED, QUARANTINED})  # nothing to do


def find_changes(
    run: Run, notes: DataFrame, scope: DataFrame | None, stored_width: int | None, hashed: DataFrame | None = None
) -> DataFrame:
    """Return one row for each item that is or was, of the notes in `scope`.

    Columns: note_id, item_id, kind, content_hash, meta_hash, item_key (null for one without a vector), degraded,
    was_set_aside, change. `stored_width` names the embeddings that say which content has a vector, where the items
    alone do not: those embeddings were left out of some runs, or a run was killed between the two. `hashed` are the items
    with their hashes where they do not come of the notes' contents.
    """
    fresh = _hashes(run, within(notes, scope)) if hashed is None else hashed
    known = _embedded(run, scope, stored_width).unionByName(_set_aside(run, scope))
    joined = fresh.join(known, list(ITEM_KEY), "full")
    return joined.select(
        F.coalesce("note_id", "old_note_id").alias("note_id"),
        *ITEM_KEY,
        "content_hash",
        "meta_hash",
        "item_key",
        "degraded",
        F.coalesce("was_set_aside", F.lit(False)).alias("was_set_aside"),
        _change(run.config.embed.retry_quarantined).alias("change"),
    )


def _change(retry: bool) -> Column:
    same_content = F.col("old_content") == F.col("content_hash")
    same_meta = F.col("old_meta") == F.col("meta_hash")
    return (
        F.when(F.col("content_hash").isNull(), F.when(F.col("was_set_aside"), FORGOTTEN).otherwise(DELETED))
        .when(F.col("unreachable") & F.col("old_content").isNotNull(), POSTPONED)
        .when(F.col("was_set_aside"), F.when(same_content & F.lit(not retry), QUARANTINED).otherwise(NEW))
        .when(same_content & F.lit(retry) & F.col("degraded"), EDITED)  # its broken part may be whole now
        .when(same_content, F.when(same_meta, UNCHANGED).otherwise(ATTRIBUTES))
        .when(F.col("item_key").isNotNull(), EDITED)
        .otherwise(NEW)
    )


def _hashes(run: Run, notes: DataFrame) -> DataFrame:
    strings = (*ITEM_KEY, "content_hash", "meta_hash")
    schema = StructType([StructField("note_id", run.note_id), *(StructField(name, StringType()) for name in strings)])
    schema = schema.add("unreachable", BooleanType())
    items = items_of(notes, run.config.embed.kinds).select("note_id", *ITEM_KEY, *MODEL_COLUMNS, *NOTE_ATTRIBUTES)
    look = make_content_hashes(media_policy(run), run.config.media.threads, to_arrow_schema(schema))
    return items.mapInArrow(look, schema)


def _embedded(run: Run, scope: DataFrame | None, stored_width: int | None) -> DataFrame:
    items = within(read_or_empty(run.spark, items_table(run.note_id), run.generation.uri("items")), scope)
    if stored_width is not None:
        spec = embeddings_table(run.note_id, embeddings_name(stored_width))
        stored = read_or_empty(run.spark, spec, run.generation.uri(spec.name))
        stored = stored.select("item_key", F.col("content_hash").alias("stored_hash"))
        both = F.when(F.col("content_hash") == F.col("stored_hash"), F.col("content_hash"))
        items = items.join(stored, "item_key", "left").withColumn("content_hash", both)
    return _known(items).withColumn("was_set_aside", F.lit(False))


def _set_aside(run: Run, scope: DataFrame | None) -> DataFrame:
    """Contents that this generation could not embed: they would fail again, so they are not tried again."""
    spec = set_aside_table(run.note_id)
    rows = within(read_or_empty(run.spark, spec, run.generation.uri(spec.name)), scope)
    lacking = {"meta_hash": F.lit(""), "item_key": F.lit(None).cast("bigint"), "degraded": F.lit(None).cast("boolean")}
    return _known(rows.withColumns(lacking)).withColumn("was_set_aside", F.lit(True))


def _known(rows: DataFrame) -> DataFrame:
    return rows.select(
        *ITEM_KEY,
        F.col("note_id").alias("old_note_id"),
        F.col("content_hash").alias("old_content"),
        F.col("meta_hash").alias("old_meta"),
        "item_key",
        "degraded",
    )
