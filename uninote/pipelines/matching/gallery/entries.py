"""Entries of a gallery read like notes, and their parts with hashes of what the model sees."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BooleanType, IntegerType, StringType

from udfs.notes.fingerprints import MODEL_COLUMNS, HashTask, make_content_hashes
from uninote.config.sections.sources import IngestConfig
from uninote.errors import UninoteError
from uninote.lake.schemas import CONTENT, struct_of
from uninote.media.fetching import MediaPolicy
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.ingest.sources import SourceError, find_source
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.gallery.known_files import with_known_files
from uninote.pipelines.notes.images.media_roots import policy_with
from uninote.pipelines.notes.items import items_of
from uninote.pipelines.notes.source.rows import ENTRIES, SourceRows, read_source

_OFF = ("false", "0", "no", "off", "disabled")


class GalleryError(UninoteError):
    """The gallery cannot be read."""


def read_gallery(run: Run) -> tuple[SourceRows, MediaPolicy]:
    """Return the rows of the gallery, and which media they may name. Raises GalleryError where none is an entry."""
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


def split_entries(found: SourceRows) -> tuple[DataFrame, DataFrame]:
    """Return (reason, message) of rows that are no entries, and the entries; one without a category is none."""
    rows = found.notes.withColumn("entry_id", F.col("note_id").cast("string"))
    lacks = F.coalesce(F.trim("category"), F.lit("")) == ""
    message = F.concat(F.lit("entry "), "entry_id", F.lit(" has no category, by which thresholds are chosen"))
    without = rows.where(lacks).select(F.lit("no_category").alias("reason"), message.alias("message"))
    return found.rejects.unionByName(without), rows.where(~lacks)


def check_ids(run: Run, entries: DataFrame) -> None:
    """Raise GalleryError where the id of an entry is null, or stands for more than one."""
    repeated = entries.groupBy("entry_id").count().where("count > 1 OR entry_id IS NULL").orderBy("entry_id")
    names = ", ".join(str(row["entry_id"]) for row in repeated.limit(5).collect())
    if names:
        raise GalleryError(
            f"match.gallery: {run.config.match.gallery} has entries whose id is null or repeats: {names}. Nothing was "
            "written; give each an id of its own, or name another column with --set match.columns.note_id=<column>"
        )


def parts_of(run: Run, entries: DataFrame) -> DataFrame:
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


def with_hashes(run: Run, parts: DataFrame, policy: MediaPolicy) -> DataFrame:
    """Add `content_hash`, and what is new of files: `files`, null where nothing is, and `opened`, how many were read.

    Files that are as the last run saw them, by name, size and time, or etag, are not opened.
    """
    known = with_known_files(run, parts).withColumns(
        {
            "is_there": F.lit(True),
            "old_content": F.lit(None).cast("string"),
            **{name: F.lit(None).cast("string") for name in NOTE_ATTRIBUTES if name not in parts.columns},
        }
    )
    text = dict.fromkeys(("entry_id", "item_id", "kind", "category", "added_by", "why", "content_hash"), StringType())
    content = {name: CONTENT[name].dataType for name in MODEL_COLUMNS}
    files = {"files": known.schema["files"].dataType, "opened": IntegerType()}
    position = parts.schema["position"].dataType
    schema = struct_of(**text, position=position, enabled=BooleanType(), **content, **files)
    task = HashTask(policy, run.config.media.threads, run.model.sees_images, recorded=("note", "image"))
    return known.mapInArrow(make_content_hashes(task, to_arrow_schema(schema)), schema)
