"""Late fusion of a query's parts: what the index finds for each of them and for all together, scored against every one."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, FloatType, StringType, StructType

from udfs.arrow import read_rows
from udfs.index.search import make_backgrounds, make_fits
from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import read_columns
from uninote.lake.schemas import neighbour_background_table
from uninote.neighbours.background import BACKGROUND_NOTES
from uninote.pipelines.index.scoring.stored import pair_schema
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.vectors.widths import truncate

PARTS = ("text", "image")  # kinds of items that a query is taken apart into, beside the note that it is as a whole


def by_parts(stored: StoredVectors, parts: DataFrame, found: DataFrame) -> DataFrame:
    """Return (item_id, note_id, score) of what was `found` for any of the `parts`, rows of one item_id each a query's.

    The score is the sum over the parts of the logarithm of the logistic of the strength: 0 at best.
    """
    run = stored.run
    sample = run.spark.sparkContext.broadcast(background_vectors(run, stored.snapshot, stored.width))
    schema = StructType().add("item_id", StringType()).add("query", BinaryType())
    schema = schema.add("mean", FloatType()).add("spread", FloatType())
    asked = parts.where("vector IS NOT NULL").select("item_id", "vector")
    asked = asked.mapInArrow(make_backgrounds(lambda: sample.value, stored.width), schema)
    candidates = found.select("item_id", "note_id", "item_key").distinct()
    pairs = candidates.join(stored.rows(("item_key", "vector")), "item_key").join(asked, "item_id").drop("item_key")
    fits = pairs.mapInArrow(make_fits(stored.width), pair_schema(run).add("fit", FloatType()))
    return fits.groupBy("item_id", "note_id").agg(F.sum("fit").cast("float").alias("score"))


def background_vectors(run: Run, snapshot: Snapshot, width: int) -> np.ndarray:
    """Return float32 (m, width) of the notes that a query's scores are held against.

    They are those that the last full join of neighbours drew, as they were then; where there was none, or it joined narrower
    vectors, a sample of what the snapshot has.
    """
    uri = run.generation.uri(neighbour_background_table(run.note_id).name)
    parts = [read_columns(file.path, ["item_key", "vector"]) for file in files_of(uri)] if tables.has_table(uri) else []
    for part in parts:
        _, vectors = read_rows(part.to_batches())
        if vectors.shape[1] >= width:
            return truncate(vectors, width)
    drawn = StoredVectors(run, snapshot, width).sample(BACKGROUND_NOTES, run.config.neighbours.seed)
    return drawn.vectors
