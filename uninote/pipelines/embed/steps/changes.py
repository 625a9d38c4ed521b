"""Which items need work: those of the notes compared with what was embedded and what was set aside."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BooleanType, DataType, IntegerType, LongType, StringType, StructType

from udfs.notes.fingerprints import MODEL_COLUMNS, HashTask, make_content_hashes
from uninote.lake.delta_files import rows_of
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import CUTS, embeddings_table, image_files_table, items_table, set_aside_table, struct_of
from uninote.model.encoder import module_of
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.embed.steps.scope import within
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.tables import read_or_empty
from uninote.pipelines.notes.images.media_roots import media_policy
from uninote.pipelines.notes.items import ITEM_KEY, items_of
from uninote.pipelines.runtime.environment import shares_imports

_WORTH_A_TASK = 500  # notes
_SMALL_ROWS = 50_000  # notes
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
# Why an item is computed, beside NEW; GENERATION: new to this generation, in a lake that has vectors of another.
TEXT = "text"
IMAGE = "image"
LIMITS = "limits"  # tried again on request, as a limit or a mount is another now
VECTOR = "vector"  # its vector is lacking or damaged
GENERATION = "generation"
REASONS = (NEW, TEXT, IMAGE, ATTRIBUTES, LIMITS, VECTOR, GENERATION)
SETTLED = frozenset({UNCHANGED, QUARANTINED})  # nothing to do


def find_changes(
    run: Run, notes: DataFrame, scope: DataFrame | None, stored_width: int | None, hashed: DataFrame | None = None
) -> DataFrame:
    """Return one row for each item that is or was, of the notes in `scope`.

    Columns: note_id, item_id, kind, content_hash, meta_hash, item_key (null for one without a vector), degraded, CUTS,
    was_set_aside, change; `files`, what is new to the table image_files of a note's images, and whether it has others of the
    note, `recorded`; `opened`, how many files were read to find out; `reason`, one of REASONS, null where none is computed.
    `stored_width` names the embeddings that say which content has a vector, where the items alone do not: those were left out
    of some runs, or a run was killed between the two. `hashed` are the items with their hashes where they do not come of the
    notes' contents.
    """
    known = _embedded(run, scope, stored_width).unionByName(_set_aside(run, scope), allowMissingColumns=True)
    if hashed is None:
        joined = _joined(_items(run, notes, scope), known)
        compared = _look(run, _spread(run, joined) if scope is None else joined)
    else:
        compared = _joined(hashed, known).withColumns(_not_looked(run))
    found = compared.withColumn("change", _change(run.config.embed.retry_quarantined)).withColumn("reason", _reason())
    # What stays keeps the hash that its vectors are stored with, of whatever format.
    stays = F.col("change").isin(UNCHANGED, ATTRIBUTES, QUARANTINED)
    found = found.withColumn("content_hash", F.when(stays, F.col("old_content")).otherwise(F.col("content_hash")))
    return found.drop("old_content", "old_meta", "former_hash", "unreachable", "images_changed")


def _has_same_content() -> Column:
    old = F.col("old_content")
    return F.coalesce((old == F.col("content_hash")) | (old == F.col("former_hash")), F.lit(False))


def _reason() -> Column:
    """Return why an item is computed, or gets other attributes; null for all others."""
    change = F.col("change")
    is_known = F.col("was_set_aside") | F.col("item_key").isNotNull()
    return (
        F.when(change == ATTRIBUTES, ATTRIBUTES)
        .when(~change.isin(*MODEL), None)
        .when(~is_known, NEW)
        .when(_has_same_content(), LIMITS)
        .when(F.col("old_content").isNull(), VECTOR)
        .when(F.col("images_changed"), IMAGE)
        .otherwise(TEXT)
    )


def _joined(items: DataFrame, known: DataFrame) -> DataFrame:
    joined = items.withColumn("is_there", F.lit(True)).join(known, list(ITEM_KEY), "full")
    made = {
        "note_id": F.coalesce("note_id", "old_note_id"),
        "is_there": F.coalesce("is_there", F.lit(False)),
        "was_set_aside": F.coalesce("was_set_aside", F.lit(False)),
    }
    return joined.withColumns(made).drop("old_note_id")


def _spread(run: Run, joined: DataFrame) -> DataFrame:
    """Give every core some of a small lake's items: Spark puts some thousand rows into one task, images or not."""
    rows = rows_of(run.lake.uri("notes"))
    tasks = min(run.spark.sparkContext.defaultParallelism, rows // _WORTH_A_TASK)
    return joined.repartition(tasks) if tasks > 1 and rows <= _SMALL_ROWS else joined


def _look(run: Run, joined: DataFrame) -> DataFrame:
    """Hash items in one pass of Python over content and what is known of it: files are opened only where both do not agree."""
    # Where workers of their own compute the model, those that hash need not import it.
    model = None if shares_imports(run.spark.sparkContext) else module_of(run.model.kind)
    task = HashTask(media_policy(run), run.config.media.threads, run.model.sees_images, model)
    schema = hashed_schema(run)
    return joined.mapInArrow(make_content_hashes(task, to_arrow_schema(schema)), schema)


def _not_looked(run: Run) -> dict[str, Column]:
    """Return what `_look` adds, of items that no image was looked at for."""
    files = image_files_table(run.note_id).schema["files"].dataType
    return {
        "former_hash": F.lit(None).cast("string"),
        "unreachable": F.lit(False),
        "images_changed": F.lit(False),
        "recorded": F.lit(False),
        "opened": F.lit(0),
        "files": F.lit(None).cast(files),
    }


def _change(retry: bool) -> Column:
    old = F.col("old_content")
    same_content = _has_same_content()
    same_meta = F.col("old_meta") == F.col("meta_hash")
    return (
        F.when(F.col("content_hash").isNull(), F.when(F.col("was_set_aside"), FORGOTTEN).otherwise(DELETED))
        .when(F.col("unreachable") & old.isNotNull(), POSTPONED)
        .when(F.col("was_set_aside"), F.when(same_content & F.lit(not retry), QUARANTINED).otherwise(NEW))
        # The part of it that was broken may be whole now.
        .when(same_content & F.lit(retry) & F.col("degraded"), EDITED)
        .when(same_content, F.when(same_meta, UNCHANGED).otherwise(ATTRIBUTES))
        .when(F.col("item_key").isNotNull(), EDITED)
        .otherwise(NEW)
    )


def _items(run: Run, notes: DataFrame, scope: DataFrame | None) -> DataFrame:
    """Return the items of the notes in scope, with their content and what is known of their notes' image files."""
    items = items_of(within(notes, scope), run.config.embed.kinds)
    items = items.select("note_id", *ITEM_KEY, *MODEL_COLUMNS, *NOTE_ATTRIBUTES)
    spec = image_files_table(run.note_id)
    uri = run.lake.uri(spec.name)
    if not (run.model.sees_images and tables.has_table(uri)):
        return items.withColumn("files", F.lit(None).cast(spec.schema["files"].dataType))
    return items.join(within(tables.read_table(run.spark, uri), scope), "note_id", "left")


def hashed_schema(run: Run) -> StructType:
    """Return what is known of an item once it is hashed: the columns that `make_content_hashes` gives."""
    known: dict[str, DataType] = {
        "note_id": run.note_id,
        **dict.fromkeys((*ITEM_KEY, "old_content", "old_meta"), StringType()),
    }
    known |= {"item_key": LongType(), "degraded": BooleanType(), "was_set_aside": BooleanType()}
    items = items_table(run.note_id).schema
    for name in CUTS:
        known[name] = items[name].dataType
    made: dict[str, DataType] = dict.fromkeys(("content_hash", "former_hash", "meta_hash"), StringType())
    made |= dict.fromkeys(("unreachable", "images_changed", "recorded"), BooleanType())
    made |= {"opened": IntegerType(), "files": image_files_table(run.note_id).schema["files"].dataType}
    return struct_of(**known, **made)


def _embedded(run: Run, scope: DataFrame | None, stored_width: int | None) -> DataFrame:
    items = within(read_or_empty(run.spark, items_table(run.note_id), run.generation.uri("items")), scope)
    if stored_width is not None:
        spec = embeddings_table(run.note_id, embeddings_name(stored_width))
        stored = read_or_empty(run.spark, spec, run.generation.uri(spec.name))
        stored = stored.select("item_key", F.col("content_hash").alias("stored_hash"))
        both = F.when(F.col("content_hash") == F.col("stored_hash"), F.col("content_hash"))
        items = items.join(stored, "item_key", "left").withColumn("content_hash", both)
    return _known(items, *CUTS).withColumn("was_set_aside", F.lit(False))


def _set_aside(run: Run, scope: DataFrame | None) -> DataFrame:
    """Contents that this generation could not embed: they would fail again, so they are not tried again."""
    spec = set_aside_table(run.note_id)
    rows = within(read_or_empty(run.spark, spec, run.generation.uri(spec.name)), scope)
    lacking = {"meta_hash": F.lit(""), "item_key": F.lit(None).cast("bigint"), "degraded": F.lit(None).cast("boolean")}
    return _known(rows.withColumns(lacking)).withColumn("was_set_aside", F.lit(True))


def _known(rows: DataFrame, *others: str) -> DataFrame:
    return rows.select(
        *ITEM_KEY,
        F.col("note_id").alias("old_note_id"),
        F.col("content_hash").alias("old_content"),
        F.col("meta_hash").alias("old_meta"),
        "item_key",
        "degraded",
        *others,
    )
