"""How the results of embedding become visible, chunk by chunk.

Commits of a run: ledger ("started", with the versions it starts from); for each chunk quarantine, vectors, items, what is
set aside, ledger (the versions it left); at the end the widths that are cut anew, and ledger ("done"). Readers go by the
versions of the last run that is done. What a killed run leaves is for `recovery`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.embed.widths import make_truncate
from uninote.lake.delta_files import rows_of
from uninote.lake.paths import embeddings_name
from uninote.lake.row_changes import MOST_BYTES, RowChanges
from uninote.lake.schemas import TableSpec, embeddings_table, items_table, quarantine_table, set_aside_table
from uninote.lake.small_tables import read_batches
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.chunks import Census
from uninote.pipelines.embed.steps.outcomes import Outcomes
from uninote.pipelines.embed.steps.recovery import STAGE, WHOLE, Before, published
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.notes.items import ITEM_KEY


@dataclass(frozen=True)
class Results:
    """What one chunk has to publish, and how much of it there is, so that no frame is run to find out.

    `keyed`: its items, their item_key and change, counted in `census`. `staged`: what the model said of each it was
    given, counted in `outcomes`.
    """

    keyed: DataFrame
    staged: DataFrame
    census: Census
    outcomes: Outcomes

    @property
    def good(self) -> DataFrame:
        """What got a vector."""
        return self.staged.where("vector IS NOT NULL")

    @property
    def bad(self) -> DataFrame:
        """What got none, with the last of its rejects, which is the item's own."""
        own = F.element_at("rejects", -1)
        return self.staged.where("vector IS NULL").withColumns({"reason": own["reason"], "message": own["message"]})

    def with_change(self, *chosen: str) -> DataFrame:
        """Return the items whose change is one of `chosen`."""
        return self.keyed.where(F.col("change").isin(*chosen))

    @property
    def removed(self) -> DataFrame:
        """Keys whose vectors are removed: of deleted items, and of items edited into something unusable."""
        return self.with_change(changes.DELETED).select("item_key").union(self.bad.select("item_key"))


def versions(run: Run, widths: tuple[int, ...]) -> dict[str, int]:
    """Return the present version of each table of `published`, ABSENT for one that does not exist."""
    return {name: tables.version_or_absent(run.generation.uri(name)) for name in published(widths)}


def start(run: Run, widths: tuple[int, ...], before: Before, started: float) -> None:
    """Write down what to restore if this run should die."""
    outcome = Outcome("started", {}, outputs=versions(run, widths), next_key=before.next_key)
    record(run, STAGE, WHOLE, outcome, started)


def widths_by_chunk(widths: tuple[int, ...], before: Before) -> tuple[int, ...]:
    """Return the widths that each chunk writes: the widest, and those in step with it. The others are cut at the end."""
    return tuple(width for width in widths if width == widths[0] or before.has(width))


def publish(run: Run, results: Results, widths: tuple[int, ...]) -> None:
    """Commit a chunk: vectors, items, and what is set aside."""
    for width in widths:
        spec = embeddings_table(run.note_id, embeddings_name(width))
        rows = _at_width(run, _stamped(run, results.good).select(*spec.columns), width, spec)
        _commit(run, rows, spec, results)
    spec = items_table(run.note_id)
    rows = results.good.unionByName(results.with_change(changes.ATTRIBUTES), allowMissingColumns=True)
    _commit(run, _stamped(run, rows).select(*spec.columns), spec, results)
    _set_aside(run, results)


def cut_widths(run: Run, widths: tuple[int, ...], widest: int) -> None:
    """Cut whole tables, which are new or were left out of some runs, from the widest that is stored."""
    source = run.generation.uri(embeddings_name(widest))
    for width in widths:
        spec = embeddings_table(run.note_id, embeddings_name(width))
        uri = run.generation.uri(spec.name)
        if not tables.has_table(uri) and _is_small(rows_of(source), widest):
            tables.create(run.spark, spec, uri)
            narrow = pa.Table.from_batches(make_truncate(width)(read_batches(source, spec.columns)))
            is_deleted = pa.array(np.zeros(len(narrow), bool))
            RowChanges(uri, narrow.append_column(tables.DELETED, is_deleted), spec.key).apply()
        else:
            tables.overwrite(_at_width(run, tables.read_table(run.spark, source), width, spec), spec, uri)


def _is_small(rows: int, width: int) -> bool:
    """Say whether this process cuts so many vectors sooner than Spark plans to: 3,000 in tenths of a second."""
    return 0 < rows <= tables.MOST_ROWS and 4 * rows * width <= MOST_BYTES


def remove_orphans(run: Run, width: int) -> None:
    """Remove what was deleted while the vectors of `width` were left out of the runs."""
    uri = run.generation.uri(embeddings_name(width))
    if not tables.has_table(uri):
        return
    items = tables.read_or_empty(run.spark, items_table(run.note_id), run.generation.uri("items"))
    spec = embeddings_table(run.note_id, embeddings_name(width))
    remaining = tables.read_table(run.spark, uri).join(items.select("item_key"), "item_key", "left_semi")
    tables.overwrite(remaining, spec, uri)


def _stamped(run: Run, rows: DataFrame) -> DataFrame:
    return rows.withColumn("generation", F.lit(run.model.generation))


def _at_width(run: Run, vectors: DataFrame, width: int, spec: TableSpec) -> DataFrame:
    return vectors if width == run.model.full_width else vectors.mapInArrow(make_truncate(width), spec.schema)


def _commit(run: Run, rows: DataFrame, spec: TableSpec, results: Results) -> None:
    """Put `rows` into a table in one commit, and remove what is removed; no commit where that is nothing."""
    uri = run.generation.uri(spec.name)
    census = results.census
    embedded = results.outcomes.items["embedded"]
    removed = census.of(changes.DELETED) + results.outcomes.items["unusable"]
    others = census.of(changes.ATTRIBUTES) if spec.name == "items" else 0
    is_new = census.keys is None or not tables.has_table(uri)
    if is_new and embedded > tables.MOST_ROWS:
        tables.append(rows, spec, uri)
    elif embedded + others or census.of(changes.EDITED, changes.DELETED):
        low, high = census.keys or (0, -1)
        upserted = rows.withColumn(tables.DELETED, F.lit(False))
        deleted = results.removed.withColumn(tables.DELETED, F.lit(True))
        touched = f"old.item_key BETWEEN {low} AND {high}"
        every = upserted.unionByName(deleted, allowMissingColumns=True)
        tables.apply_changes(every, spec, uri, touched, rows=embedded + others + removed)
    else:
        tables.create(run.spark, spec, uri)


def quarantine(run: Run, results: Results) -> None:
    """Add what the model's stage rejected to the history."""
    if not results.outcomes.items["rejects"]:
        return
    spec = quarantine_table(run.note_id)
    rejects = results.staged.select("note_id", "content_hash", F.explode("rejects").alias("reject")).select(
        "note_id",
        "content_hash",
        "reject.*",
        F.lit(STAGE).alias("stage"),
        F.lit(run.model.generation).alias("generation"),
        F.lit(run.run_id).alias("run_id"),
        F.current_timestamp().alias("quarantined_at"),
    )
    # With images as items, a broken one is rejected with its note and by itself.
    tables.append(rejects.dropDuplicates(["item_id", "reason"]), spec, run.lake.uri(spec.name))


def _set_aside(run: Run, results: Results) -> None:
    """Note what has no vector now; forget what has one again, or is gone."""
    spec = set_aside_table(run.note_id)
    uri = run.generation.uri(spec.name)
    changed = results.outcomes.items["unusable"] + results.census.reopened.total()
    if not changed and tables.has_table(uri):
        return
    bad = results.bad.withColumn("run_id", F.lit(run.run_id)).select(*spec.columns, F.lit(False).alias(tables.DELETED))
    reopened = results.keyed.where("was_set_aside").where(F.col("change") != changes.QUARANTINED)
    mended = reopened.join(bad, list(ITEM_KEY), "left_anti").select(*ITEM_KEY, F.lit(True).alias(tables.DELETED))
    tables.apply_changes(bad.unionByName(mended, allowMissingColumns=True), spec, uri, rows=changed)
