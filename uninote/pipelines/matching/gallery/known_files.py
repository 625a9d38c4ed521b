"""The table gallery_files, in which a lake remembers the bytes behind the images of entries."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import GALLERY_FILES
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

_PART = list(GALLERY_FILES.key)


def with_known_files(run: Run, parts: DataFrame) -> DataFrame:
    """Add `files` to parts: what is known of the files of their images, by name, as `make_content_hashes` takes it."""
    stored = tables.read_or_empty(run.spark, GALLERY_FILES, run.lake.uri(GALLERY_FILES.name))
    # Names are stored as hashes: those of the images that a part has now say which is whose.
    named = F.transform("images", lambda image: image["uri"])
    known = parts.join(stored.withColumnRenamed("files", "kept"), _PART, "left")
    files = F.transform(
        named, lambda uri: _renamed(F.get(F.filter("kept", lambda one: one["uri"] == _hash(uri)), 0), uri)
    )
    return known.withColumn("files", F.filter(files, lambda one: one.isNotNull())).drop("kept")


def remember_files(run: Run, hashed: DataFrame, gone: DataFrame) -> int:
    """Store what is new of the files of parts, and forget those of parts that are `gone`; returns how many were opened."""
    uri = run.lake.uri(GALLERY_FILES.name)
    told = hashed.where("files IS NOT NULL")
    counted = hashed.agg(
        F.count("files").alias("new"), F.coalesce(F.sum("opened"), F.lit(0)).alias("opened")
    ).collect()[0]
    hidden = F.transform("files", lambda one: _renamed(one, _hash(one["uri"]))).alias("files")
    changes = told.select(*_PART, hidden, F.lit(False).alias(tables.DELETED))
    nothing = F.lit(None).cast(GALLERY_FILES.schema["files"].dataType).alias("files")
    lost = gone.select(*_PART, nothing, F.lit(True).alias(tables.DELETED))
    rows = counted["new"] + lost.count()
    if rows:
        tables.apply_changes(changes.unionByName(lost), GALLERY_FILES, uri, rows=rows)
    return int(counted["opened"])


def _renamed(file: Column, name: Column) -> Column:
    fields = [file[field].alias(field) for field in ("version", "first_version", "digest")]
    return F.when(file.isNotNull(), F.struct(name.alias("uri"), *fields))


def _hash(name: Column) -> Column:
    return F.sha2(name, 256)
