"""What the scores of a search mean: strengths by the background of neighbours, confidences by their map."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StringType, StructField, StructType

from udfs.index.strengths import FOUND, make_note_means, make_strengths
from udfs.table_files import make_reader
from uninote.lake.delta_files import files_of
from uninote.lake.releases.readers import place_for_readers
from uninote.lake.reserved import NEIGHBOURS
from uninote.lake.schemas import found_table, neighbour_state_table
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.lake.run import Run
from uninote.search.scale import Scale


def with_means(run: Run, answered: DataFrame, scale: Scale | None) -> DataFrame:
    """Add `own_mean` to rows with a note_id: the mean score of the note's own list, null where no map asks for it."""
    if scale is None or scale.confidence is None:
        return answered.withColumn("own_mean", F.lit(None).cast("float"))
    place = place_for_readers(run.generation, neighbour_state_table(run.note_id, NEIGHBOURS).name)
    if place is None:
        return answered.withColumn("own_mean", F.lit(None).cast("float"))
    schema = StructType([StructField("note_id", run.note_id), StructField("own_mean", FloatType())])
    make = make_note_means(run.config.neighbours.k)
    means = FileRows(run, files_of(*place), make_reader(["note_id", "scores"])).scan(make, schema)
    return answered.join(means, "note_id", "left")


def with_strengths(run: Run, rows: DataFrame, scale: Scale | None) -> DataFrame:
    """Return (query_id, reason, neighbours) of rows of FOUND."""
    kind = found_table(run.note_id).schema["neighbours"].dataType
    if scale is None:
        entry = F.arrays_zip("notes", "scores", "corrected")
        unknown = [F.lit(None).cast("float").alias(name) for name in ("strength", "confidence")]
        made = F.transform(
            entry,
            lambda one: F.struct(
                one["notes"].alias("note_id"), one["scores"].alias("score"), *unknown, one["corrected"]
            ),
        )
        return rows.select("query_id", "reason", made.cast(kind).alias("neighbours"))
    shared = run.spark.sparkContext.broadcast(scale)
    schema = StructType().add("query_id", StringType()).add("reason", StringType()).add("neighbours", kind)
    return rows.select(*FOUND).mapInArrow(make_strengths(lambda: shared.value), schema)
