"""Reading images on executors: the bytes behind names of files, and then what is written in bytes that nobody read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.notes.image_texts import make_digests, make_texts
from uninote.lake.schemas import IMAGE_BYTES, IMAGE_DIGESTS, IMAGE_TEXTS
from uninote.ocr.reader import TextReader
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.image_bytes import INLINE
from uninote.pipelines.notes.media_roots import media_policy
from uninote.pipelines.runtime.progress import watched

STAGING = "staging/image-texts"  # a lazy frame used twice would read its images twice
CHUNK = 2000  # images that are committed together: what a killed run reads again is at most that
ROWS_PER_TASK = 100  # an image takes a second: tasks of two minutes show progress, and lose little


def look_at_files(run: Run, uris: DataFrame) -> None:
    """Record the bytes behind names of files that are new or have another size or time; others are not opened."""
    uri = run.lake.uri(IMAGE_DIGESTS.name)
    known = tables.read_or_empty(run.spark, IMAGE_DIGESTS, uri).select("uri", F.col("version").alias("known"))
    files = uris.where(~F.col("uri").startswith(INLINE)).join(known, "uri", "left")
    if not run.config.embed.recheck_media:
        files = files.where("known IS NULL")
    look = make_digests(media_policy(run), run.config.media.threads, to_arrow_schema(IMAGE_DIGESTS.schema))
    readable = files.mapInArrow(look, IMAGE_DIGESTS.schema).where("digest IS NOT NULL").persist()
    rows = readable.count()
    if rows:
        tables.apply_changes(readable.withColumn(tables.DELETED, F.lit(False)), IMAGE_DIGESTS, uri, rows=rows)
    readable.unpersist()


def read_images(run: Run, uris: DataFrame, reader: TextReader) -> tuple[dict[str, int], dict[str, float]]:
    """Read images of bytes that nobody read, chunk by chunk; return counts, and the seconds that one took on its core."""
    fresh = _unread(run, uris, reader).persist()
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
        tables.remove(run.lake.uri(STAGING))
    fresh.unpersist()
    counts = {
        "images_read": taken["read"],
        "images_with_text": taken["with_text"],
        "images_unread": total - taken["read"],
    }
    return counts, {"ocr_s": seconds, "ocr_s_per_image": seconds / taken["read"] if taken["read"] else 0.0}


def _unread(run: Run, uris: DataFrame, reader: TextReader) -> DataFrame:
    """Return (digest, uri) of what nobody read, each image once, whatever the number of its names."""
    files = tables.read_or_empty(run.spark, IMAGE_DIGESTS, run.lake.uri(IMAGE_DIGESTS.name)).select("uri", "digest")
    is_inline = F.col("uri").startswith(INLINE)
    inline = uris.where(is_inline).withColumn("digest", F.substring_index("uri", ":", -1))
    found = uris.where(~is_inline).join(files, "uri").unionByName(inline)
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
    uri = run.lake.uri(STAGING)
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
