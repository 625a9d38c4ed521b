"""The gallery as its source has it: entries read like notes, and their parts embedded where their contents changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from udfs.embed.widths import make_truncate
from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.digests import digest
from uninote.errors import UninoteError
from uninote.gallery.thresholds import Thresholds
from uninote.lake.schemas import GALLERY
from uninote.media.fetching import MediaPolicy
from uninote.pipelines.embed.steps.model_run import model_tasks, staged_schema, with_inline
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.gallery.entries import check_ids, parts_of, read_gallery, split_entries, with_hashes
from uninote.pipelines.matching.gallery.history import quarantine_parts, quarantine_rows
from uninote.pipelines.matching.gallery.known_files import remember_files
from uninote.pipelines.notes.images.image_hashes import hashes_images

STAGED = "entries"
_PART = list(GALLERY.key)
_ASKED = ("entry_id", "item_id", "kind")
_STATES = ("compared", "disabled", "unreadable")
# What is compared with the stored row to see whether a part has to be written again, beside what the model sees.
_TOLD = ("category", "enabled", "added_by", "why", "limits", "generic")


@dataclass(frozen=True)
class Known:
    """What rows of the gallery are told beside their source: thresholds in force, and entries that are generic."""

    thresholds: Thresholds
    generic: frozenset[str]


def bring_up(run: Run, known: Known, width: int) -> dict[str, int]:
    """Make the table `gallery` say what its source says, and embed what is new; returns counts.

    Vectors have `width` numbers. Raises GalleryError where there is no entry, or where one is there twice.
    """
    tables.create(run.spark, GALLERY, run.generation.uri(GALLERY.name))
    found, policy = read_gallery(run)
    rejected, entries = split_entries(found)
    entries = entries.persist()
    check_ids(run, entries)
    hashed = with_hashes(run, parts_of(run, entries), policy).persist()
    changes = _changes(run, hashed, known, width).persist()
    counts = _counted(changes)
    if counts["parts_changed"]:
        asked = hashed.join(changes.where("embeds").select(*_ASKED), list(_ASKED))
        _embed(run, with_inline(_asked(run, asked), found.images), policy, Written(changes, width, counts))
    # Last: files that a killed run did not compare are opened again.
    opened = remember_files(run, hashed, changes.where("deleted"))
    total = entries.count()
    rejects = _rejects(run, rejected, found.account.rows, total)
    for frame in (changes, hashed, entries, found.rows):
        frame.unpersist()
    states = _states(run)
    # Those that have no part of match.kinds.
    states["entries_without_part"] = total - sum(states[f"entries_{name}"] for name in _STATES)
    seen = {"entries_in": found.account.rows, "entries_rejected": rejects, "entry_images_opened": opened}
    return {**seen, **states, **counts}


def _rejects(run: Run, rejected: DataFrame, rows: int, entries: int) -> int:
    """Put rows that are no entries into the history, and return how many there are, of all the `rows` of the gallery."""
    rejects = rejected.count()
    if rejects:
        quarantine_rows(run, rejected)
    if rows != entries + rejects:
        raise UninoteError(f"{rows:,} rows of the gallery in, {entries:,} entries and {rejects:,} rejected out")
    return rejects


def _changes(run: Run, hashed: DataFrame, known: Known, width: int) -> DataFrame:
    """Return the parts to write or remove: what they are told, `embeds`, `deleted`, and what is stored as `old_…`."""
    categories = [row["category"] for row in hashed.select("category").distinct().collect()]
    limits = {one: digest(known.thresholds.of_category(one)) for one in categories}
    told = hashed.withColumns(
        {
            "limits": _looked_up(limits, F.col("category")),
            "generic": F.col("entry_id").isin(*known.generic) if known.generic else F.lit(False),
        }
    ).drop(*MODEL_COLUMNS, "files", "opened")
    stored = tables.read_table(run.spark, run.generation.uri(GALLERY.name))
    old = stored.select(*_PART, *(F.col(name).alias(f"old_{name}") for name in stored.columns if name not in _PART))
    both = told.withColumn("is_there", F.lit(True)).join(old, _PART, "full")
    is_told = ~F.struct(*_TOLD).eqNullSafe(F.struct(*(F.col(f"old_{name}").alias(name) for name in _TOLD)))
    # The widest vectors of the lake may have another width by now.
    is_as_wide = F.coalesce(F.array_size("old_vector"), F.lit(width)) == width
    is_known = F.col("content_hash").eqNullSafe(F.col("old_content_hash")) & is_as_wide & _has_hash(run)
    embeds = F.col("is_there") & ~is_known
    deleted = F.col("is_there").isNull()
    made = both.withColumns({"embeds": F.coalesce(embeds, F.lit(False)), "deleted": deleted})
    return made.where(F.col("embeds") | F.col("deleted") | is_told)


def _has_hash(run: Run) -> Column:
    """Say of stored parts whether what the image looks like is known, where near copies are looked for."""
    if not hashes_images(run):
        return F.lit(True)
    return (F.col("kind") != "image") | F.col("old_vector").isNull() | F.col("old_image_bits").isNotNull()


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
        quarantine_parts(run, staged)
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
    said = staged.select(
        "item_id",
        "kind",
        "vector",
        F.try_element_at("rejects", F.lit(-1)).alias("reject"),
        F.when(F.col("kind") == "image", F.try_element_at("image_hashes", F.lit(1))).alias("hashed"),
    )
    narrow = said.where("vector IS NOT NULL").select("item_id", "kind", "vector")
    narrow = narrow.mapInArrow(make_truncate(written.width), narrow.schema)
    image = (F.col("hashed.bits").alias("image_bits"), F.col("hashed.quality").alias("image_quality"))
    told = said.select("item_id", "kind", "reject.reason", "reject.message", *image)
    made = written.changes.join(narrow, ["item_id", "kind"], "left").join(told, ["item_id", "kind"], "left")
    known: dict[str, Column] = {name: F.col(name) for name in (*_PART, *_TOLD, "content_hash")}
    lacks = F.col("vector").isNull()
    said_now = {
        "vector": F.col("vector"),
        "reason": F.when(lacks, F.coalesce("reason", F.lit("not_embedded"))),
        "message": F.when(lacks, F.col("message")),
        "image_bits": F.col("image_bits"),
        "image_quality": F.col("image_quality"),
    }
    for name, value in said_now.items():
        known[name] = F.when(F.col("embeds"), value).otherwise(F.col(f"old_{name}"))
    known |= {"generation": F.lit(run.model.generation), "run_id": F.lit(run.run_id)}
    # Not cast: a stored vector may hold nulls by its type, and Spark casts that to none that may not.
    vector = known.pop("vector").alias("vector")
    columns = tables.filled_columns([field for field in GALLERY.schema if field.name != "vector"], known)
    marked = made.select(*columns, vector, F.col("deleted").alias(tables.DELETED))
    tables.apply_changes(marked, GALLERY, run.generation.uri(GALLERY.name), rows=written.counts["parts_changed"])


def _states(run: Run) -> dict[str, int]:
    """Return how many entries are compared, disabled, and unreadable: none of their parts has a vector."""
    stored = tables.read_table(run.spark, run.generation.uri(GALLERY.name))
    by_entry = stored.groupBy("entry_id").agg(
        F.first("enabled").alias("enabled"), F.count("vector").alias("usable"), F.count("*").alias("parts")
    )
    found = by_entry.agg(
        F.expr("count_if(enabled AND usable > 0)").alias("entries_compared"),
        F.expr("count_if(NOT enabled)").alias("entries_disabled"),
        F.expr("count_if(enabled AND usable = 0)").alias("entries_unreadable"),
        F.coalesce(F.sum(F.col("parts") - F.col("usable")), F.lit(0)).alias("parts_unreadable"),
    ).collect()[0]
    return {name: int(value) for name, value in found.asDict().items()}
