"""Texts in images of notes that have no OCR of their own: read once, kept by the hash of the image's bytes.

`notes` stays what the source says. Two tables of a lake hold the rest: `image_digests`, the bytes behind the names of files,
and `image_texts`, what is written in an image of these bytes. Where embed finds a text there, it is the image's OCR.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.errors import ConfigError
from uninote.lake.schemas import IMAGE_DIGESTS, IMAGE_TEXTS
from uninote.ocr.installed import find_reader
from uninote.ocr.reader import INSTALL, TextReader
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.notes.image_bytes import INLINE
from uninote.pipelines.notes.image_reading import look_at_files, read_images
from uninote.pipelines.notes.media_roots import copies_of
from uninote.pipelines.runtime.progress import say

UNIT = "images"  # of the ledger: how many were read in a run, and the seconds of one


@dataclass(frozen=True)
class Images:
    """What of a lake's images is to be read: `uris` (uri), once each; `count` of them."""

    uris: DataFrame
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
        look_at_files(run, wanted.uris)
        counts, metrics = read_images(run, wanted.uris, reader)
    finally:
        copies_of(run).remove()
    if counts["images_read"]:
        record(run, "ingest", UNIT, Outcome("done", counts, metrics=metrics), started)
    return counts


def with_read_texts(run: Run, notes: DataFrame) -> DataFrame:
    """Return notes as embed sees them: where one has no OCR of its own, its images have the texts that were read."""
    if not reads_texts(run):
        return notes
    stored = tables.read_table(run.spark, run.lake.uri(IMAGE_TEXTS.name)).where("trim(text) != ''")
    # By digest, since two runs at once may have read the same image each.
    texts = stored.groupBy("digest").agg(F.max("text").alias("text"))
    digests = tables.read_or_empty(run.spark, IMAGE_DIGESTS, run.lake.uri(IMAGE_DIGESTS.name)).select("uri", "digest")
    inline = texts.select(F.concat(F.lit(INLINE), "digest").alias("uri"), "text")
    by_uri = digests.join(texts, "digest").select("uri", "text").unionByName(inline)
    own = notes.where(~_has_ocr()).select("note_id", F.explode(F.array_distinct("images.uri")).alias("uri"))
    entries = F.map_from_entries(F.collect_list(F.struct("uri", "text")))
    read = own.join(by_uri, "uri").groupBy("note_id").agg(entries.alias("_read"))

    def filled(image: Column) -> Column:
        text = F.coalesce(F.try_element_at(F.col("_read"), image["uri"]), image["ocr"])
        return F.when(image.isNotNull(), F.struct(image["uri"].alias("uri"), text.alias("ocr")))

    images = F.when(F.col("_read").isNull(), F.col("images")).otherwise(F.transform("images", filled))
    return notes.join(read, "note_id", "left").withColumn("images", images).drop("_read")


def reads_texts(run: Run) -> bool:
    """Say whether texts that were read in images count for embed: never with `ingest.ocr` off or before one was read."""
    return run.config.ingest.ocr != "off" and tables.has_table(run.lake.uri(IMAGE_TEXTS.name))


def _wanted(run: Run, notes: DataFrame) -> Images:
    """Return the images of notes without OCR; none of a source that has some, unless `ingest.ocr` is on."""
    if run.config.ingest.ocr == "auto" and not notes.where(_has_ocr()).isEmpty():
        return Images(run.spark.createDataFrame([], "uri string"), 0)
    uris = notes.where(~_has_ocr()).select(F.explode("images.uri").alias("uri"))
    uris = uris.where(F.trim("uri") != "").distinct().persist()
    return Images(uris, uris.count())


def _has_ocr() -> Column:
    return F.coalesce(F.exists("images", lambda image: F.trim(image["ocr"]) != ""), F.lit(False))
