"""The notes that a training set is made of: read once, with their images, and stored as they were read."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.training.training_set import SOURCES, make_sources
from uninote.pipelines.embed.steps.model_run import with_stored
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import media_policy


def read_sources(run: Run, notes: DataFrame, folder: str) -> DataFrame:
    """Read the notes, at most `max_notes`, and their images, and store what was read: used twice, it would be read twice."""
    media = run.config.media
    wanted = _sample(run, notes).withColumns({"item_id": F.col("note_id").cast("string"), "kind": F.lit("note")})
    rows = with_stored(run, wanted)
    columns = ("note_id", "title", "body", "caption", "topics", "images", "inline")
    read = rows.select(*columns).repartition(4 * run.spark.sparkContext.defaultParallelism)
    schema = from_arrow_schema(SOURCES)
    read.mapInArrow(make_sources(media_policy(run), media.threads), schema).write.parquet(folder)
    return run.spark.read.schema(schema).parquet(folder)


def _sample(run: Run, notes: DataFrame) -> DataFrame:
    """Return the `max_notes` notes that come first by a hash of the id: a random sample that is the same in every run."""
    settings = run.config.training
    if settings.max_notes is None:
        return notes
    place = F.xxhash64(F.col("note_id").cast("string"), F.lit(settings.seed))
    first = notes.select(place.alias("place")).orderBy("place").limit(settings.max_notes)
    # Only hashes are put in order: notes, with the bytes of images, would all be in the one task that does it.
    (last,) = first.agg(F.max("place")).collect()[0]
    return notes if last is None else notes.where(place <= last)
