"""What the scores of a search mean: strengths by the background of neighbours, confidences by their map."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StringType, StructField, StructType

from udfs.arrow import read_rows
from udfs.index.strengths import FOUND, Scale, make_note_means, make_strengths
from udfs.table_files import make_reader
from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.stored_maps import read_maps
from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import read_columns
from uninote.lake.releases.pointer import live_release
from uninote.lake.reserved import NEIGHBOURS
from uninote.lake.schemas import CONFIDENCE_MAPS, found_table, neighbour_background_table, neighbour_state_table
from uninote.neighbours.background import Background
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.lake.run import Run
from uninote.vectors.widths import truncate


def open_scale(run: Run, width: int) -> Scale | None:
    """Return what scores of `width` are held against; null where neighbours have no background of it.

    Vectors of a narrower width are cut from those of the join, which those of a wider one are not known from.
    """
    uri, version = _place(run, neighbour_background_table(run.note_id).name)
    files = files_of(uri, version) if version != tables.ABSENT else []
    rows = [read_columns(file.path, ["item_key", "note_id", "vector"]) for file in files if file.rows]
    if not rows:
        return None
    drawn = pa.concat_tables(rows)
    _, vectors = read_rows(drawn.select(["item_key", "vector"]).to_batches())
    if vectors.shape[1] < width:
        return None
    keys = np.arange(len(drawn))
    # `read_rows` keeps the order of the rows.
    background = Background.of(keys, truncate(vectors, width))
    found = None if vectors.shape[1] != width else _map(run)
    return Scale(drawn["note_id"].combine_chunks(), background, width, run.config.search.k, found)


def _map(run: Run) -> ConfidenceMap | None:
    _, version = _place(run, CONFIDENCE_MAPS.name)
    stored = read_maps(run.generation, version).get(NEIGHBOURS) if version != tables.ABSENT else None
    return None if stored is None else stored.found


def _place(run: Run, name: str) -> tuple[str, int]:
    """Return where a table of the generation lies, and its version for readers: that of the live release, or the newest."""
    uri = run.generation.uri(name)
    live = live_release(run.lake.root)
    if live is None or live.generation != run.model.generation:
        return uri, tables.version_or_absent(uri)
    return uri, live.tables.get(f"{live.generation}/{name}", tables.ABSENT)


def with_means(run: Run, answered: DataFrame, scale: Scale | None) -> DataFrame:
    """Add `own_mean` to rows with a note_id: the mean score of the note's own list, null where no map asks for it."""
    if scale is None or scale.confidence is None:
        return answered.withColumn("own_mean", F.lit(None).cast("float"))
    uri, version = _place(run, neighbour_state_table(run.note_id, NEIGHBOURS).name)
    schema = StructType([StructField("note_id", run.note_id), StructField("own_mean", FloatType())])
    make = make_note_means(run.config.neighbours.k)
    means = FileRows(run, files_of(uri, version), make_reader(["note_id", "scores"])).scan(make, schema)
    return answered.join(means, "note_id", "left")


def with_strengths(run: Run, rows: DataFrame, scale: Scale | None) -> DataFrame:
    """Return (query_id, reason, neighbours) of rows of FOUND."""
    kind = found_table(run.note_id).schema["neighbours"].dataType
    if scale is None:
        entry = F.arrays_zip("notes", "scores")
        fields = [F.lit(None).cast("float").alias(name) for name in ("strength", "confidence")]
        made = F.transform(
            entry, lambda one: F.struct(one["notes"].alias("note_id"), one["scores"].alias("score"), *fields)
        )
        return rows.select("query_id", "reason", made.cast(kind).alias("neighbours"))
    shared = run.spark.sparkContext.broadcast(scale)
    schema = StructType().add("query_id", StringType()).add("reason", StringType()).add("neighbours", kind)
    return rows.select(*FOUND).mapInArrow(make_strengths(lambda: shared.value), schema)
