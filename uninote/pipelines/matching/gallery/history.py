"""What of a gallery could not be read or embedded, in the history of all that could not be processed."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import quarantine_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.source.rows import ENTRIES


def quarantine_parts(run: Run, staged: DataFrame) -> None:
    """Add parts that could not be embedded to the history."""
    known = {name: F.col(name) for name in ("item_id", "kind", "reason", "message", "content_hash")}
    rows = staged.select("content_hash", F.explode("rejects").alias("one")).select("content_hash", "one.*")
    _append_history(run, rows.dropDuplicates(["item_id", "reason"]), known | _of_run(run))


def quarantine_rows(run: Run, rejected: DataFrame) -> None:
    """Add rows that are no entries to the history, those that are not in it; the same row has the same message, and id."""
    spec = quarantine_table(run.note_id)
    history = tables.read_or_empty(run.spark, spec, run.lake.uri(spec.name))
    told = history.where((F.col("stage") == ENTRIES) & (F.col("kind") == "row")).select("item_id", "reason")
    named = rejected.select(F.sha2("message", 256).alias("item_id"), "reason", "message").dropDuplicates(
        ["item_id", "reason"]
    )
    known = {"item_id": F.col("item_id"), "kind": F.lit("row")}
    known |= {"reason": F.col("reason"), "message": F.substring("message", 1, 2000)}
    _append_history(run, named.join(told, ["item_id", "reason"], "left_anti"), known | _of_run(run))


def _of_run(run: Run) -> dict[str, Column]:
    stamped = {"stage": ENTRIES, "generation": run.model.generation, "run_id": run.run_id}
    return {name: F.lit(value) for name, value in stamped.items()} | {"quarantined_at": F.current_timestamp()}


def _append_history(run: Run, rows: DataFrame, known: Mapping[str, Column]) -> None:
    spec = quarantine_table(run.note_id)
    made = rows.select(*tables.filled_columns(spec.schema.fields, known)).persist()
    if not made.isEmpty():
        tables.append(made, spec, run.lake.uri(spec.name))
    made.unpersist()
