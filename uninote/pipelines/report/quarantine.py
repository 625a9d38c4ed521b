"""What was set aside, by its reasons, with samples of each."""

from __future__ import annotations

from pyspark.sql import Row
from pyspark.sql import functions as F

from uninote.lake.schemas import quarantine_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.redaction import redact
from uninote.report.data import QuarantineReason

SAMPLES = 3  # shown for each reason


def quarantine_reasons(run: Run) -> tuple[QuarantineReason, ...]:
    spec = quarantine_table(run.note_id)
    uri = run.lake.uri(spec.name)
    if not tables.has_table(uri):
        return ()
    history = tables.read_table(run.spark, uri)
    mine = F.col("generation").isNull() | (F.col("generation") == run.model.generation)
    # A part's id is its note's, and its position behind "#".
    note = F.substring_index("item_id", "#", 1)
    mine &= ~F.coalesce(note.isin(*taken_down(run.lake.root).names), F.lit(False))
    once = history.where(mine).groupBy("reason", "item_id").agg(F.max_by("message", "quarantined_at").alias("message"))
    sample = F.slice(F.array_sort(F.collect_list(F.struct("item_id", "message"))), 1, SAMPLES)
    rows = once.groupBy("reason").agg(F.count("*").alias("rows"), sample.alias("samples"))
    reasons = []
    for row in rows.orderBy(F.desc("rows"), "reason").collect():
        reasons.append(QuarantineReason(row["reason"], row["rows"], tuple(map(_sample, row["samples"]))))
    return tuple(reasons)


def _sample(row: Row) -> tuple[str, str]:
    """Return (item_id, message): an unreadable row is quoted as it came, and may hold anything."""
    return row["item_id"] or "", redact(row["message"] or "")
