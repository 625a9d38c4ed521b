"""The embed stage: every note whose content changed gets a vector at every width, or a reason why not."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, BooleanType, IntegerType, LongType, StringType, StructField, StructType

from udfs.embed import EmbedTask, make_embed
from udfs.model_files import pack
from udfs.notes import MODEL_COLUMNS
from uninote.errors import UninoteError
from uninote.pipelines import changes, tables
from uninote.pipelines.embed_commit import (
    STAGE,
    WHOLE,
    Results,
    publish,
    published,
    quarantine,
    start,
    undo_unfinished,
    versions,
)
from uninote.pipelines.encoders import check_widths
from uninote.pipelines.keys import with_new_keys
from uninote.pipelines.media_roots import media_policy
from uninote.pipelines.note_ids import check_note_ids
from uninote.pipelines.progress import watched
from uninote.pipelines.run import Outcome, Run, record
from uninote.schemas import VECTOR

STAGING = "staging/embed"  # the model's output, stored before it is split: a lazy frame used twice would run it twice
REJECT = StructType([StructField(name, StringType()) for name in ("item_id", "kind", "reason", "message")])


def embed(run: Run) -> dict[str, Any]:
    """Bring the embeddings, items and quarantine of the configured model up to the newest notes."""
    started = time.time()
    widths = check_widths(run.model, run.config.embed)
    version = tables.table_version(run.spark, run.lake.uri("notes"))
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    notes_in = check_note_ids(notes)
    before = undo_unfinished(run)
    found = changes.find_changes(run, notes, again=not before.has(widths[0])).persist()
    tally = Counter({row["change"]: row["count"] for row in found.groupBy("change").count().collect()})
    if tally.keys() <= changes.SETTLED and before.has_all(widths):
        state, after = "unchanged", before.versions
        counts = _counts(notes_in, tally)
    else:
        state = "done"
        keyed = with_new_keys(found, before.next_key, tally[changes.NEW])
        start(run, widths, before.next_key + tally[changes.NEW], started)
        staged = _stage(run, notes, keyed, tally[changes.NEW] + tally[changes.EDITED])
        results = Results(keyed, staged, tally + _outcomes(staged))
        quarantine(run, results)
        counts = _counts(notes_in, results.tally)
        _quarantine_in_bounds(run, counts)
        publish(run, results, widths, before)
        tables.remove(run.spark, run.generation.uri(STAGING))
        after = versions(run, widths)
    record(run, STAGE, WHOLE, Outcome("done", counts, {"notes": version}, after), started)
    found.unpersist()
    return _summary(run, widths, counts, time.time() - started) | {"state": state}


def _summary(run: Run, widths: tuple[int, ...], counts: dict[str, int], seconds: float) -> dict[str, Any]:
    made = {name: run.generation.uri(name) for name in published(widths)}
    return {
        "tables": made | {"quarantine": run.lake.uri("quarantine")},
        **counts,
        "notes_per_s": round(counts["embedded"] / seconds, 1),
        "generation": run.model.generation,
        "widths": list(widths),
    }


def _stage(run: Run, notes: DataFrame, keyed: DataFrame, rows: int) -> DataFrame:
    """Run the model over what changed, and store what it said of every note."""
    work = keyed.where(F.col("change").isin(changes.NEW, changes.EDITED)).select(
        "note_id", "item_id", "item_key", "content_hash", "meta_hash"
    )
    partitions = max(1, -(-rows // run.config.embed.notes_per_task))
    # By content, so that reposts meet in one task and are computed once.
    shuffled = notes.select("note_id", *MODEL_COLUMNS).join(work, "note_id").repartition(partitions, "content_hash")
    uri = run.generation.uri(STAGING)
    if rows == 0:
        return run.spark.createDataFrame([], _staged_schema(run))
    with watched(run.spark.sparkContext, "embed: notes", rows) as done:
        files = run.spark.sparkContext.broadcast(pack(run.model.folder))
        task = EmbedTask(
            generation=run.model.generation,
            batch_tokens=run.config.embed.batch_tokens,
            threads=int(run.spark.conf.get("spark.task.cpus", "1")),  # type: ignore[arg-type]
            media=media_policy(run),
        )
        schema = _staged_schema(run)
        embedded = shuffled.mapInArrow(make_embed(task, lambda: files.value, done.add, to_arrow_schema(schema)), schema)
        embedded.write.mode("overwrite").parquet(uri)
        files.destroy()
    return run.spark.read.schema(schema).parquet(uri)


def _staged_schema(run: Run) -> StructType:
    return StructType(
        [
            StructField("note_id", run.note_id),
            StructField("item_id", StringType()),
            StructField("item_key", LongType()),
            StructField("content_hash", StringType()),
            StructField("meta_hash", StringType()),
            StructField("vector", VECTOR),
            StructField("degraded", BooleanType()),
            StructField("num_tokens", IntegerType()),
            StructField("rejects", ArrayType(REJECT)),
        ]
    )


def _outcomes(staged: DataFrame) -> Counter[str]:
    """Count what the model said of the notes it was given."""
    got = staged.agg(
        F.count("vector").alias("embedded"),
        F.count_if(F.col("vector").isNull()).alias("unusable"),
        F.count_if("degraded").alias("degraded"),
        F.coalesce(F.sum(F.size("rejects")), F.lit(0)).alias("rejects"),
    )
    return Counter(got.collect()[0].asDict())


def _counts(notes_in: int, tally: Counter[str]) -> dict[str, int]:
    """Count every note once. Raises UninoteError when a note is unaccounted for."""
    counts = {
        "notes_in": notes_in,
        "embedded": tally["embedded"],
        "unchanged": tally[changes.UNCHANGED] + tally[changes.ATTRIBUTES],
        "quarantined": tally["unusable"] + tally[changes.QUARANTINED],
        "deleted": tally[changes.DELETED],
        "degraded": tally["degraded"],
        "attributes_changed": tally[changes.ATTRIBUTES],
    }
    if notes_in != counts["embedded"] + counts["unchanged"] + counts["quarantined"]:
        raise UninoteError(f"notes in and notes out differ, nothing was published: {counts}")
    return counts


def _quarantine_in_bounds(run: Run, counts: dict[str, int]) -> None:
    allowed = run.config.embed.max_quarantined_share
    if counts["quarantined"] > allowed * counts["notes_in"]:
        raise UninoteError(
            f"{counts['quarantined']:,} of {counts['notes_in']:,} notes cannot be embedded, more than "
            f"embed.max_quarantined_share={allowed}; nothing was published. "
            f"The reasons are in {run.lake.uri('quarantine')}. Is media.roots right? Raise the share to go on"
        )
