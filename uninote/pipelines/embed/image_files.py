"""The table image_files, in which a lake remembers the bytes behind the names of its images."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import image_files_table
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.chunks import Census
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run


def record_files(run: Run, looked: DataFrame, census: Census) -> None:
    """Store what a run learned of files. It is true whatever becomes of the run: a version of a file has these bytes.

    Rows of deleted notes go along where others are replaced: alone they are not worth a commit.
    """
    if not census.files:
        return
    spec = image_files_table(run.note_id)
    uri = run.lake.uri(spec.name)
    rows = looked.where("files IS NOT NULL").select(*spec.columns)
    if not census.recorded and census.files > tables.MOST_ROWS:
        tables.append(rows, spec, uri)
        return
    deleted = looked.where(F.col("kind") == "note").where(F.col("change").isin(changes.DELETED, changes.FORGOTTEN))
    removed = deleted.select(*spec.columns).withColumn(tables.DELETED, F.lit(True))
    most = census.files + census.notes(changes.DELETED, changes.FORGOTTEN)
    tables.apply_changes(rows.withColumn(tables.DELETED, F.lit(False)).unionByName(removed), spec, uri, rows=most)
