"""The gallery as its source has it: entries read like notes, and their parts embedded where their contents changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BooleanType, LongType, StringType

from udfs.embed.widths import make_truncate
from udfs.notes.fingerprints import MODEL_COLUMNS, HashTask, make_content_hashes
from uninote.config.sections.sources import IngestConfig
from uninote.digests import digest
from uninote.errors import UninoteError
from uninote.gallery.thresholds import Thresholds
from uninote.lake.schemas import CONTENT, GALLERY, image_files_table, quarantine_table, struct_of
from uninote.media.fetching import MediaPolicy
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.ingest.sources import SourceError, find_source
from uninote.pipelines.embed.steps.model_run import model_tasks, staged_schema, with_inline
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.items import items_of
from uninote.pipelines.notes.media_roots import policy_with
from uninote.pipelines.notes.source_rows import ENTRIES, SourceRows, read_source

STAGED = "entries"
_PART = list(GALLERY.key)
_OFF = ("false", "0", "no", "off", "disabled")
_ASKED = ("entry_id", "item_id", "kind")
_STATES = ("compared", "disabled", "unreadable")
# What is compared with the stored row to see whether a part has to be written again, beside what the model sees.
_TOLD = ("category", "enabled", "added_by", "why", "limits", "generic")


class GalleryError(UninoteError):
    """The gallery cannot be read."""


@dataclass(frozen=True)
class Known:
    """What rows of the gallery are told beside their source: thresholds in force, and entries that are generic."""

    thresholds: Thresholds
    generic: frozenset[str]


def bring_up(run: Run, known: Known, width: int) -> dict[str, int]:
    """Make the table `gallery` say what its source says, and embed what is new; returns counts.

    Rows in are `entries` and `entries_rejected`. Raises GalleryError where there is no entry, or where one is there twice.
    """
    tables.create(run.spark, GALLERY, run.generation.uri(GALLERY.name))
    found, policy = _read(run)
    rejected, entries = _entries(found)
    entries = entries.persist()
    _check_ids(run, entries)
    hashed = _hashed(run, _parts(run, entries), policy).persist()
    changes = _changes(run, hashed, known).persist()
    counts = _counted(changes)
    if counts["parts_changed"]:
        asked = hashed.join(changes.where("embeds").select(*_ASKED), list(_ASKED))
        _embed(run, with_inline(_asked(run, asked), found.images), policy, Written(changes, width, counts))
    rejects = rejected.count()
    if rejects:
        _quarantine_rows(run, rejected)
    total = entries.count()
    for frame in (changes, hashed, entries, found.rows):
        frame.unpersist()
    if found.account.rows != total + rejects:
        raise UninoteError(
            f"{found.account.rows:,} rows of the gallery in, {total:,} entries and {rejects:,} rejected out"
        )
    states = _states(run)
    # Those that have no part of match.kinds.
    states["entries_without_part"] = total - sum(states[f"entries_{name}"] for name in _STATES)
    return {"entries_in": found.account.rows, "entries_rejected": rejects, **states, **counts}


def _read(run: Run) -> tuple[SourceRows, MediaPolicy]:
    settings = run.config.match
    place = str(settings.gallery)
    try:
        source = find_source(place)
        found = read_source(run, source, IngestConfig(columns=settings.columns), ENTRIES)
    except SourceError as error:
        raise GalleryError(
            f"match.gallery: {place} has no entry that can be read ({error}); nothing was matched, and no match was closed. "
            "Mend it, or take match.gallery out of the configuration to match nothing"
        ) from error
    return found, policy_with(run, source.media_root)


def _entries(found: SourceRows) -> tuple[DataFrame, DataFrame]:
    """Return (reason, message) of rows that are no entries, and the entries; one without a category is none."""
    rows = found.notes.withColumn("entry_id", F.col("note_id").cast("string"))
    lacks = F.coalesce(F.trim("category"), F.lit("")) == ""
    message = F.concat(F.lit("entry "), "entry_id", F.lit(" has no category, by which thresholds are chosen"))
    without = rows.where(lacks).select(F.lit("no_category").alias("reason"), message.alias("message"))
    return found.rejects.unionByName(without), rows.where(~lacks)


def _check_ids(run: Run, entries: DataFrame) -> None:
    repeated = entries.groupBy("entry_id").count().where("count > 1 OR entry_id IS NULL").orderBy("entry_id")
    names = ", ".join(str(row["entry_id"]) for row in repeated.limit(5).collect())
    if names:
        raise GalleryError(
            f"match.gallery: {run.config.match.gallery} has entries whose id is null or repeats: {names}. Nothing was "
            "written; give each an id of its own, or name another column with --set match.columns.note_id=<column>"
        )


def _parts(run: Run, entries: DataFrame) -> DataFrame:
    """Return the parts of entries that are looked for: an entry that has one part alone is that part, and no note beside it."""
    told = entries.select(
        "entry_id",
        "category",
        (~F.lower(F.trim(F.coalesce("visibility", F.lit("true")))).isin(*_OFF)).alias("enabled"),
        F.col("author").alias("added_by"),
        F.col("caption").alias("why"),
    )
    notes = entries.withColumn("note_id", F.col("entry_id")).drop("entry_id")
    items = items_of(notes, ("note", "text", "image", "ocr")).withColumnRenamed("note_id", "entry_id")
    parts = items.where("kind <> 'note'").groupBy("entry_id").agg(F.count("*").alias("parts"))
    # An image has its OCR with it in a note, so that such an entry is looked for as a whole too.
    kept = items.join(parts, "entry_id", "left").where("kind <> 'note' OR coalesce(parts, 0) <> 1").drop("parts")
    position = F.coalesce(F.regexp_extract("item_id", "#(?:image|ocr)/([0-9]+)$", 1).try_cast("int"), F.lit(0))
    wanted = kept.where(F.col("kind").isin(*run.config.match.kinds)).withColumn("position", position)
    return wanted.drop("category").join(told, "entry_id")


def _hashed(run: Run, parts: DataFrame, policy: MediaPolicy) -> DataFrame:
    """Add `content_hash`, for which images are opened."""
    files = image_files_table(StringType()).schema["files"].dataType
    known = parts.withColumns(
        {
            "is_there": F.lit(True),
            "old_content": F.lit(None).cast("string"),
            "files": F.lit(None).cast(files),
            **{name: F.lit(None).cast("string") for name in NOTE_ATTRIBUTES if name not in parts.columns},
        }
    )
    text = dict.fromkeys(("entry_id", "item_id", "kind", "category", "added_by", "why", "content_hash"), StringType())
    content = {name: CONTENT[name].dataType for name in MODEL_COLUMNS}
    schema = struct_of(**text, position=parts.schema["position"].dataType, enabled=BooleanType(), **content)
    task = HashTask(policy, run.config.media.threads, run.model.sees_images)
    return known.mapInArrow(make_content_hashes(task, to_arrow_schema(schema)), schema)


def _changes(run: Run, hashed: DataFrame, known: Known) -> DataFrame:
    """Return the parts to write or remove: what they are told, `embeds`, `deleted`, and what is stored as `old_…`."""
    categories = [row["category"] for row in hashed.select("category").distinct().collect()]
    limits = {one: digest(known.thresholds.of_category(one)) for one in categories}
    told = hashed.withColumns(
        {
            "limits": _looked_up(limits, F.col("category")),
            "generic": F.col("entry_id").isin(*known.generic) if known.generic else F.lit(False),
        }
    ).drop(*MODEL_COLUMNS)
    stored = tables.read_table(run.spark, run.generation.uri(GALLERY.name))
    old = stored.select(*_PART, *(F.col(name).alias(f"old_{name}") for name in stored.columns if name not in _PART))
    both = told.withColumn("is_there", F.lit(True)).join(old, _PART, "full")
    is_told = ~F.struct(*_TOLD).eqNullSafe(F.struct(*(F.col(f"old_{name}").alias(name) for name in _TOLD)))
    embeds = F.col("is_there") & ~F.col("content_hash").eqNullSafe(F.col("old_content_hash"))
    deleted = F.col("is_there").isNull()
    made = both.withColumns({"embeds": F.coalesce(embeds, F.lit(False)), "deleted": deleted})
    return made.where(F.col("embeds") | F.col("deleted") | is_told)


def _looked_up(values: Mapping[str, str], key: Column) -> Column:
    if not values:
        return F.lit("")
    pairs = [F.lit(one) for pair in values.items() for one in pair]
    return F.create_map(*pairs)[key]


def _counted(changes: DataFrame) -> dict[str, int]:
    found = changes.agg(
        F.count("*").alias("parts_changed"),
        F.count_if("embeds").alias("parts_embedded"),
        F.count_if("deleted").alias("parts_deleted"),
    ).collect()[0]
    return {name: int(found[name]) for name in ("parts_changed", "parts_embedded", "parts_deleted")}


@dataclass(frozen=True)
class Written:
    """The `changes` of the gallery that a run commits, with vectors of `width`, and how many those are."""

    changes: DataFrame
    width: int
    counts: Mapping[str, int]


def _embed(run: Run, asked: DataFrame, policy: MediaPolicy, written: Written) -> None:
    """Embed parts whose contents are new, and commit all changes."""
    embedded = written.counts["parts_embedded"]
    if not embedded:
        _write(run, tables.no_rows(run.spark, staged_schema(run)), written)
        return
    staging = run.staging(STAGED)
    with model_tasks(run, policy, staging) as model:
        staged = model.stage(asked, embedded, "match: entries")
        _write(run, staged, written)
        _quarantine(run, staged)
    tables.remove(staging)


def _asked(run: Run, parts: DataFrame) -> DataFrame:
    """Return parts as the model is asked for them, as items of no note."""
    return parts.select(
        F.lit(None).cast(run.note_id).alias("note_id"),
        "item_id",
        "kind",
        F.lit(None).cast(LongType()).alias("item_key"),
        "content_hash",
        F.lit("").alias("meta_hash"),
        *MODEL_COLUMNS,
    )


def _write(run: Run, staged: DataFrame, written: Written) -> None:
    """Commit the changes of the gallery: new vectors are those of the model, cut to the width, others stay."""
    said = staged.select("item_id", "kind", "vector", F.try_element_at("rejects", F.lit(-1)).alias("reject"))
    narrow = said.where("vector IS NOT NULL").select("item_id", "kind", "vector")
    narrow = narrow.mapInArrow(make_truncate(written.width), narrow.schema)
    told = said.select("item_id", "kind", "reject.reason", "reject.message")
    made = written.changes.join(narrow, ["item_id", "kind"], "left").join(told, ["item_id", "kind"], "left")
    known: dict[str, Column] = {name: F.col(name) for name in (*_PART, *_TOLD, "content_hash")}
    lacks = F.col("vector").isNull()
    said_now = {
        "vector": F.col("vector"),
        "reason": F.when(lacks, F.coalesce("reason", F.lit("not_embedded"))),
        "message": F.when(lacks, F.col("message")),
    }
    for name, value in said_now.items():
        known[name] = F.when(F.col("embeds"), value).otherwise(F.col(f"old_{name}"))
    known |= {"generation": F.lit(run.model.generation), "run_id": F.lit(run.run_id)}
    columns = tables.filled_columns(GALLERY.schema.fields, known)
    marked = made.select(*columns, F.col("deleted").alias(tables.DELETED))
    tables.apply_changes(marked, GALLERY, run.generation.uri(GALLERY.name), rows=written.counts["parts_changed"])


def _quarantine(run: Run, staged: DataFrame) -> None:
    """Add parts that could not be embedded to the history."""
    known = {name: F.col(name) for name in ("item_id", "kind", "reason", "message", "content_hash")}
    rows = staged.select("content_hash", F.explode("rejects").alias("one")).select("content_hash", "one.*")
    _append_history(run, rows.dropDuplicates(["item_id", "reason"]), known | _of_run(run))


def _quarantine_rows(run: Run, rejected: DataFrame) -> None:
    """Add rows that are no entries to the history; the same row has the same message, and so the same id."""
    known = {"item_id": F.sha2("message", 256), "kind": F.lit("row")}
    known |= {"reason": F.col("reason"), "message": F.substring("message", 1, 2000)}
    _append_history(run, rejected, known | _of_run(run))


def _of_run(run: Run) -> dict[str, Column]:
    stamped = {"stage": ENTRIES, "generation": run.model.generation, "run_id": run.run_id}
    return {name: F.lit(value) for name, value in stamped.items()} | {"quarantined_at": F.current_timestamp()}


def _append_history(run: Run, rows: DataFrame, known: Mapping[str, Column]) -> None:
    spec = quarantine_table(run.note_id)
    made = rows.select(*tables.filled_columns(spec.schema.fields, known)).persist()
    if not made.isEmpty():
        tables.append(made, spec, run.lake.uri(spec.name))
    made.unpersist()


def _states(run: Run) -> dict[str, int]:
    """Return how many entries are compared, disabled, and unreadable: none of their parts has a vector."""
    stored = tables.read_table(run.spark, run.generation.uri(GALLERY.name))
    by_entry = stored.groupBy("entry_id").agg(
        F.first("enabled").alias("enabled"), F.count("vector").alias("usable"), F.count("*").alias("parts")
    )
    found = by_entry.agg(
        F.count_if("enabled AND usable > 0").alias("entries_compared"),
        F.count_if("NOT enabled").alias("entries_disabled"),
        F.count_if("enabled AND usable = 0").alias("entries_unreadable"),
        F.coalesce(F.sum(F.col("parts") - F.col("usable")), F.lit(0)).alias("parts_unreadable"),
    ).collect()[0]
    return {name: int(value) for name, value in found.asDict().items()}
