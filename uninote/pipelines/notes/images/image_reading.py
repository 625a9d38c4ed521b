"""Reading images on executors: the bytes behind names of files, and then what is written in bytes that nobody read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.notes.image_texts import make_note_files, make_texts
from uninote.lake.paths import staging_name
from uninote.lake.schemas import IMAGE_BYTES, IMAGE_DIGESTS, IMAGE_TEXTS, image_files_table
from uninote.ocr.reader import TextReader
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_bytes import INLINE
from uninote.pipelines.notes.images.media_roots import media_policy
from uninote.pipelines.runtime.progress import watched

STAGED = "image-texts"  # a lazy frame used twice would read its images twice
# Images that are committed together: what a killed run reads again is at most that.
CHUNK = 2000
# An image takes a second: tasks of two minutes show progress, and lose little.
ROWS_PER_TASK = 100


def look_at_files(run: Run, notes: DataFrame, wanted: DataFrame) -> None:
    """Record the bytes behind the images of the notes `wanted`; files of the size and time that are known are not opened.

    Rows of notes that `notes` does not have any more are removed in the same commit.
    """
    spec = image_files_table(run.note_id)
    uri = run.lake.uri(spec.name)
    known = tables.read_or_empty(run.spark, spec, uri)
    rows = wanted.select("note_id", "images").join(known, "note_id", "left")
    if not run.config.embed.recheck_media:
        recorded = F.coalesce("files.uri", F.array().cast("array<string>"))
        rows = rows.where(F.size(F.array_except("images.uri", recorded)) > 0)
    look = make_note_files(media_policy(run), run.config.media.threads, to_arrow_schema(spec.schema, timezone="UTC"))
    changed = rows.mapInArrow(look, spec.schema).persist()
    count = changed.count()
    if count:
        deleted = (
            known.join(notes.select("note_id"), "note_id", "left_anti")
            .withColumn(tables.DELETED, F.lit(True))
            .persist()
        )
        every = changed.withColumn(tables.DELETED, F.lit(False)).unionByName(deleted)
        tables.apply_changes(every, spec, uri, rows=count + deleted.count())
        deleted.unpersist()
    changed.unpersist()
    _forget_former(run, wanted)


def digests_of(run: Run, images: DataFrame) -> DataFrame:
    """Return (note_id, uri, digest) of those of some images, (note_id, uri), of which the lake knows the bytes of a file."""
    spec = image_files_table(run.note_id)
    files = tables.read_or_empty(run.spark, spec, run.lake.uri(spec.name))
    files = files.select("note_id", F.explode("files").alias("file")).select("note_id", "file.uri", "file.digest")
    files = files.where(F.col("digest").rlike("^[0-9a-f]{64}$"))  # others are reasons why a file cannot be read
    found = images.join(files, ["note_id", "uri"])
    former = run.lake.uri(IMAGE_DIGESTS.name)
    if not tables.has_table(former):
        return found
    older = images.join(tables.read_table(run.spark, former).select("uri", "digest"), "uri")
    return found.unionByName(older.join(files, ["note_id", "uri"], "left_anti"))


def _forget_former(run: Run, wanted: DataFrame) -> None:
    """Remove the table of a former release, which had digests by name, once image_files knows all that it does."""
    uri = run.lake.uri(IMAGE_DIGESTS.name)
    if not tables.has_table(uri):
        return
    spec = image_files_table(run.note_id)
    files = tables.read_or_empty(run.spark, spec, run.lake.uri(spec.name)).select(F.explode("files.uri").alias("uri"))
    names = wanted.select(F.explode("images.uri").alias("uri"))
    only_there = tables.read_table(run.spark, uri).join(names, "uri", "left_semi").join(files, "uri", "left_anti")
    # Of files of a store that does not answer, what is known stays until it does.
    if only_there.isEmpty():
        tables.remove(uri)


def unread(run: Run, images: DataFrame) -> int:
    """Return how many names of some images, (note_id, uri), are of images that were not read, or not looked at yet."""
    texts = tables.read_or_empty(run.spark, IMAGE_TEXTS, run.lake.uri(IMAGE_TEXTS.name)).select("digest").distinct()
    inline = texts.select(F.concat(F.lit(INLINE), "digest").alias("uri"))
    known = digests_of(run, images).join(texts, "digest", "left_semi").select("uri").unionByName(inline)
    return images.select("uri").distinct().join(known, "uri", "left_anti").count()


def read_images(run: Run, images: DataFrame, reader: TextReader) -> tuple[dict[str, int], dict[str, float]]:
    """Read images of bytes that nobody read, chunk by chunk; return counts, and the seconds that one took on its core."""
    fresh = _unread(run, images, reader).persist()
    total = fresh.count()
    chunks = -(-total // CHUNK)
    taken: Counter[str] = Counter()
    seconds = 0.0
    if total:
        with watched(run.spark.sparkContext, "ingest: images read", total) as done:
            for number in range(chunks):
                chunk = fresh.where(F.pmod(F.xxhash64("digest"), F.lit(chunks)) == number)
                counted = _read_chunk(run, chunk, reader, done.add)
                taken.update(read=counted[0], with_text=counted[1])
                seconds += counted[2]
        tables.remove(run.lake.uri(staging_name(run.run_id, STAGED)))
    fresh.unpersist()
    counts = {
        "images_read": taken["read"],
        "images_with_text": taken["with_text"],
        "images_unread": total - taken["read"],
    }
    return counts, {"ocr_s": seconds, "ocr_s_per_image": seconds / taken["read"] if taken["read"] else 0.0}


def _unread(run: Run, images: DataFrame, reader: TextReader) -> DataFrame:
    """Return (digest, uri) of what nobody read, each image once, whatever the number of its names."""
    inline = images.where(F.col("uri").startswith(INLINE)).withColumn("digest", F.substring_index("uri", ":", -1))
    found = digests_of(run, images).select("uri", "digest").unionByName(inline.select("uri", "digest"))
    known = tables.read_or_empty(run.spark, IMAGE_TEXTS, run.lake.uri(IMAGE_TEXTS.name))
    if run.config.ingest.ocr_again:
        known = known.where(F.col("engine") == reader.engine)
    once = found.groupBy("digest").agg(F.min("uri").alias("uri"))
    return once.join(known, "digest", "left_anti")


def _read_chunk(run: Run, chunk: DataFrame, reader: TextReader, count: Callable[[int], None]) -> tuple[int, int, float]:
    """Read a chunk and commit what was read; return how many images that were, how many have text, and the seconds."""
    inline = tables.read_or_empty(run.spark, IMAGE_BYTES, run.lake.uri(IMAGE_BYTES.name))
    rows = chunk.join(inline, "uri", "left").select("digest", "uri", "content")
    cores = run.spark.sparkContext.defaultParallelism
    rows = rows.repartition(max(cores, CHUNK // ROWS_PER_TASK), "digest")
    read = make_texts(reader, media_policy(run), count, to_arrow_schema(IMAGE_TEXTS.schema))
    uri = run.lake.uri(staging_name(run.run_id, STAGED))
    rows.mapInArrow(read, IMAGE_TEXTS.schema).write.mode("overwrite").parquet(uri)
    staged = run.spark.read.schema(IMAGE_TEXTS.schema).parquet(uri)
    has_text = F.count_if(F.trim("text") != "")
    rows_read, with_text, seconds = staged.agg(
        F.count("*"), has_text, F.coalesce(F.sum("seconds"), F.lit(0.0))
    ).collect()[0]
    if run.config.ingest.ocr_again:
        again = staged.withColumn(tables.DELETED, F.lit(False))
        tables.apply_changes(again, IMAGE_TEXTS, run.lake.uri(IMAGE_TEXTS.name), rows=rows_read)
    elif rows_read:
        tables.append(staged, IMAGE_TEXTS, run.lake.uri(IMAGE_TEXTS.name))
    return rows_read, with_text, seconds
