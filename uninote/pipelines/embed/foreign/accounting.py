"""Every row of a table of foreign vectors is counted once: taken by a note, repeated, or of no note and in quarantine."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.notes.taken_down import make_quoting
from uninote.foreign_vectors.table import ForeignVectorsError, VectorTable
from uninote.lake.schemas import quarantine_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

STAGE = "embed"
WITHOUT_NOTE = "vector_without_note"
KEY_MISSING = "vector_key_missing"


def account(run: Run, table: VectorTable, rows: DataFrame, notes: DataFrame) -> dict[str, int]:
    """Count the rows of the table, and set aside those of no note, each once in the life of a lake.

    Returns vector_rows, and of these vector_rows_without_note and vector_rows_repeated, which a note has beyond its first.
    Raises ForeignVectorsError where the files' footers promise other rows than were read.
    """
    known = notes.select("note_id", F.lit(True).alias("is_known"))
    marked = rows.join(known, "note_id", "left")
    is_known = F.coalesce("is_known", F.lit(False))
    counted = marked.agg(
        F.count("*"), F.count_if(~is_known), F.count_if(is_known), F.count_distinct(F.when(is_known, F.col("note_id")))
    ).collect()[0]
    read, without_note, of_notes, notes_found = counted
    # A Delta table's log may say that rows of its files are deleted: of those alone the footers know nothing.
    if not table.is_delta and read != table.num_rows:
        raise ForeignVectorsError(
            f"embed.vectors_from.table {table.uri} holds {table.num_rows:,} rows, and {read:,} were read. Nothing was written; "
            "was it changed meanwhile? Then run again"
        )
    if without_note:
        _set_aside(run, marked.where(~is_known))
    return {
        "vector_rows": read,
        "vector_rows_without_note": without_note,
        "vector_rows_repeated": of_notes - notes_found,
    }


def _set_aside(run: Run, rows: DataFrame) -> None:
    """Add rows of no note to the quarantine, but for those that it has of this generation."""
    spec = quarantine_table(run.note_id)
    uri = run.lake.uri(spec.name)
    reason = F.when(F.col("key").isNull(), KEY_MISSING).otherwise(WITHOUT_NOTE)
    message = F.when(F.col("key").isNull(), "the row has no key").otherwise("no note of the lake has this key")
    made = {
        # Without a key, the vector's hash is all that tells one row from another.
        "item_id": F.coalesce("key", F.concat(F.lit("vector "), "content_hash")),
        "kind": F.lit("vector"),
        "stage": F.lit(STAGE),
        "reason": reason,
        "message": message,
        "content_hash": F.col("content_hash"),
        "generation": F.lit(run.model.generation),
        "run_id": F.lit(run.run_id),
        "quarantined_at": F.current_timestamp(),
    }
    found = rows.select(*tables.filled_columns(spec.schema, made))
    if taken := taken_down(run.lake.root):
        # Their notes are gone by order, and no table may name them again, though the vectors' table still does.
        found = found.mapInArrow(make_quoting(taken, hidden=False), found.schema)
    same = ["item_id", "reason", "content_hash", "generation"]
    known = tables.read_or_empty(run.spark, spec, uri).where(F.col("kind") == "vector").select(*same).distinct()
    fresh = found.join(known, same, "left_anti").select(*spec.columns)
    if not fresh.isEmpty():
        tables.append(fresh, spec, uri)
