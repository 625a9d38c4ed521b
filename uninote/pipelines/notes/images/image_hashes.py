"""The table image_hashes: what the images of a lake look like, hashed where they are decoded for the model."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import IMAGE_HASHES
from uninote.media.near_copies import require_hashing
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run


def hashes_images(run: Run) -> bool:
    """Say whether images are hashed as they are decoded. Raises ConfigError where they should be and cannot."""
    settings = run.config.match
    is_wanted = settings.near_copies and settings.gallery is not None and run.model.sees_images
    if is_wanted:
        require_hashing()
    return is_wanted


def record_hashes(run: Run, staged: DataFrame) -> None:
    """Store the hashes that tasks made beside vectors; they are true whatever becomes of the run."""
    if not hashes_images(run):
        return
    found = staged.select(F.explode("image_hashes").alias("one")).select("one.*").dropDuplicates(["digest"])
    store_hashes(run, found.withColumn("reason", F.lit(None).cast("string")))


def store_hashes(run: Run, found: DataFrame) -> None:
    """Add the rows of image_hashes among `found` that are not there yet."""
    uri = run.lake.uri(IMAGE_HASHES.name)
    known = tables.read_or_empty(run.spark, IMAGE_HASHES, uri).select("digest")
    fresh = found.join(known, "digest", "left_anti").persist()
    if not fresh.isEmpty():
        tables.append(fresh, IMAGE_HASHES, uri)
    fresh.unpersist()
