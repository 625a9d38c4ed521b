"""Rows of a table of foreign vectors as frames, and the items that they make of notes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema, to_arrow_type
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from udfs.embed.foreign_vectors import VectorColumns, make_file_rows, make_meta_hashes, make_table_rows
from uninote.foreign_vectors.checks import MISSING, REPEATED
from uninote.foreign_vectors.table import VectorTable
from uninote.lake.schemas import VECTOR, struct_of
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.items import ITEM_KEY

FOREIGN = "foreign"  # the column of vectors as they came


def keyed_rows(run: Run, table: VectorTable) -> DataFrame:
    """Return (note_id, key, content_hash) of each row; note_id is null where the key can name no note."""
    return _read(run, table, StructType([*_names(run), StructField("content_hash", StringType())]))


def vectors_of(run: Run, table: VectorTable, items: DataFrame) -> DataFrame:
    """Add `foreign` to items: the vector in the table whose hash is their content_hash, null where there is none."""
    note_id = StructField("note_id", run.note_id)
    fields = [note_id, StructField("content_hash", StringType()), StructField(FOREIGN, VECTOR)]
    rows = _read(run, table, StructType(fields))
    # Rows that are equal stand for one: exports that were appended twice are common.
    found = rows.where(F.col(FOREIGN).isNotNull()).dropDuplicates(["note_id", "content_hash"])
    return items.join(found, ["note_id", "content_hash"], "left")


def hashed_items(run: Run, notes: DataFrame, rows: DataFrame) -> DataFrame:
    """Return the notes as items with the hashes of their vectors: what `find_changes` compares.

    `rows` are those of `keyed_rows`.
    """
    by_note = rows.where(F.col("note_id").isNotNull()).groupBy("note_id")
    found = by_note.agg(F.min("content_hash").alias("low"), F.max("content_hash").alias("high"))
    repeated = F.concat_ws(" ", F.lit(REPEATED), "low", "high")
    content = F.when(F.col("low").isNull(), MISSING).when(F.col("low") == F.col("high"), F.col("low"))
    items = notes.select("note_id", *NOTE_ATTRIBUTES).join(found, "note_id", "left")
    items = items.withColumns(
        {
            "item_id": F.col("note_id").cast("string"),
            "kind": F.lit("note"),
            "content_hash": content.otherwise(repeated),
            "unreachable": F.lit(False),
        }
    )
    schema = hashes_schema(run)
    return items.mapInArrow(make_meta_hashes(to_arrow_schema(schema)), schema)


def hashes_schema(run: Run) -> StructType:
    """Return the columns of items with their hashes."""
    strings = dict.fromkeys((*ITEM_KEY, "content_hash", "meta_hash"), StringType())
    return struct_of(note_id=run.note_id, **strings, unreachable=BooleanType())


def _names(run: Run) -> list[StructField]:
    return [StructField("note_id", run.note_id), StructField("key", StringType())]


def _read(run: Run, table: VectorTable, schema: StructType) -> DataFrame:
    settings = table.settings
    columns = VectorColumns(settings.key, settings.vector, to_arrow_type(run.note_id))
    arrow = to_arrow_schema(schema)
    if table.is_delta:
        frame = tables.read_table(run.spark, table.uri, table.version)
        # By place: names may hold dots and backticks, which mean something to Spark.
        numbered = frame.toDF(*(f"c{place}" for place in range(len(frame.columns))))
        key = numbered.columns[frame.columns.index(settings.key)]
        vector = numbered.columns[frame.columns.index(settings.vector)]
        return numbered.select(key, vector).mapInArrow(make_table_rows(columns, arrow), schema)
    tasks = max(1, min(len(table.pieces), max(4 * run.spark.sparkContext.defaultParallelism, len(table.pieces) // 8)))
    numbers = run.spark.range(0, len(table.pieces), 1, tasks)
    return numbers.mapInArrow(make_file_rows(table.pieces, columns, table.s3, arrow), schema)
