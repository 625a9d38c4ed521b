"""Texts in images of notes that have no OCR of their own: read once, kept by the hash of the image's bytes.

`notes` stays what the source says. Two tables of a lake hold the rest: `image_files`, the bytes behind the names of files,
and `image_texts`, what is written in an image of these bytes. Where embed finds a text there, it is the image's OCR.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.errors import ConfigError
from uninote.lake.schemas import IMAGE_TEXTS
from uninote.ocr.installed import find_reader
from uninote.ocr.reader import INSTALL, TextReader
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.pipelines.notes.images.image_bytes import INLINE
from uninote.pipelines.notes.images.image_reading import digests_of, look_at_files, read_images, unread
from uninote.pipelines.notes.images.media_roots import copies_of
from uninote.pipelines.runtime.progress import say

UNIT = "images"  # of the ledger: how many were read in a run, and the seconds of one


@dataclass(frozen=True)
class Unread:
    """How many `images` nobody has read yet, by their names; `seconds` of one core for all of them, null where not known.

    `is_left`: there is no reader, so they stay unread.
    """

    images: int
    seconds: float | None
    is_left: bool = False


@dataclass(frozen=True)
class Images:
    """What is to be read: the images of `notes`, which have no OCR; as `named` (note_id, uri), of `count` names."""

    notes: DataFrame
    named: DataFrame
    count: int


def choose_reader(run: Run) -> TextReader | None:
    """Return who reads texts in images, null for nobody. Raises ConfigError where there should be one and is none."""
    if run.config.ingest.ocr == "off":
        return None
    reader = find_reader()
    if reader is None and run.config.ingest.ocr == "on":
        raise ConfigError(
            f"ingest.ocr=on needs the extra that reads texts in images; {INSTALL}, or set ingest.ocr=auto"
        )
    return reader


def read_image_texts(run: Run, notes: DataFrame, reader: TextReader | None) -> dict[str, int]:
    """Read what was not read yet, and return how many images that were, and how many stay unread.

    With `ingest.ocr` auto nothing is read for a source that has OCR of its own.
    """
    if run.config.ingest.ocr == "off":
        return {}
    started = time.time()
    wanted = _wanted(run, notes)
    if not wanted.count:
        return {}
    if reader is None:
        say(
            f"ingest: {wanted.count:,} images stay unread; {INSTALL} reads the texts in them, and ingest.ocr=off leaves out "
            "this line"
        )
        return {"images_unread": wanted.count}
    try:
        look_at_files(run, notes, wanted.notes)
        counts, metrics = read_images(run, wanted.named, reader)
    finally:
        copies_of(run).remove()
    if counts["images_read"]:
        record(run, "ingest", UNIT, Outcome("done", counts, metrics=metrics), started)
    return counts


def count_unread(run: Run, notes: DataFrame) -> Unread:
    """Count what an ingest would read in images, and about how long by the seconds that one took in the last one that did.

    No file is looked at: a name that is known counts as read, whatever lies behind it now.
    """
    reader = choose_reader(run)
    wanted = None if run.config.ingest.ocr == "off" else _wanted(run, notes)
    if wanted is None or not wanted.count:
        return Unread(0, 0.0)
    images = unread(run, wanted.named)
    if reader is None or not images:
        return Unread(images, 0.0, is_left=images > 0)
    entry = last_entry(run, "ingest", UNIT)
    return Unread(images, None if entry is None else images * entry["metrics"]["ocr_s_per_image"])


def with_read_texts(run: Run, notes: DataFrame) -> DataFrame:
    """Return notes as embed sees them: where one has no OCR of its own, its images have the texts that were read."""
    if not reads_texts(run):
        return notes
    stored = tables.read_table(run.spark, run.lake.uri(IMAGE_TEXTS.name)).where("trim(text) != ''")
    # By digest, since two runs at once may have read the same image each.
    texts = stored.groupBy("digest").agg(F.max("text").alias("text"))
    own = _named(notes.where(~_has_ocr()))
    inline = own.join(texts.select(F.concat(F.lit(INLINE), "digest").alias("uri"), "text"), "uri")
    found = digests_of(run, own).join(texts, "digest").select("note_id", "uri", "text").unionByName(inline)
    entries = F.map_from_entries(F.collect_list(F.struct("uri", "text")))
    read = found.groupBy("note_id").agg(entries.alias("_read"))

    def filled(image: Column) -> Column:
        text = F.coalesce(F.try_element_at(F.col("_read"), image["uri"]), image["ocr"])
        return F.when(image.isNotNull(), image.withField("ocr", text))

    images = F.when(F.col("_read").isNull(), F.col("images")).otherwise(F.transform("images", filled))
    return notes.join(read, "note_id", "left").withColumn("images", images).drop("_read")


def reads_texts(run: Run) -> bool:
    """Say whether texts that were read in images count for embed: never with `ingest.ocr` off or before one was read."""
    return run.config.ingest.ocr != "off" and tables.has_table(run.lake.uri(IMAGE_TEXTS.name))


def _wanted(run: Run, notes: DataFrame) -> Images:
    """Return the images of notes without OCR; none of a source that has some, unless `ingest.ocr` is on."""
    if run.config.ingest.ocr == "auto" and not notes.where(_has_ocr()).isEmpty():
        return Images(notes, notes, 0)
    chosen = notes.where(~_has_ocr())
    named = _named(chosen).persist()
    return Images(chosen, named, named.agg(F.count_distinct("uri")).collect()[0][0])


def _named(notes: DataFrame) -> DataFrame:
    """Return (note_id, uri) of the images of some notes, each once."""
    named = notes.select("note_id", F.explode(F.array_distinct("images.uri")).alias("uri"))
    return named.where(F.trim("uri") != "")


def _has_ocr() -> Column:
    return F.coalesce(F.exists("images", lambda image: F.trim(image["ocr"]) != ""), F.lit(False))
