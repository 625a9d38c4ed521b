"""The work of a run that embeds a handful of items: Spark runs the model, and this process does the rest."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.embed.widths import make_truncate
from uninote.errors import UninoteError
from uninote.lake.paths import embeddings_name
from uninote.lake.row_changes import DELETED, MOST_BYTES, RowChanges
from uninote.lake.schemas import TableSpec, embeddings_table, items_table
from uninote.pipelines.embed.commit import Results, publish, quarantine, start
from uninote.pipelines.embed.guards.canaries import check_few_canaries
from uninote.pipelines.embed.guards.checks import Checks
from uninote.pipelines.embed.guards.health import measure_few
from uninote.pipelines.embed.keys import give_new_keys
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import UNPUBLISHED, Items, Plan, check_cuts, check_quarantine
from uninote.pipelines.embed.steps.model_run import STAGED, model_tasks, staged_schema
from uninote.pipelines.embed.steps.outcomes import Outcomes, outcomes_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import described


def work_small(plan: Plan, work: Items, done: Outcomes, checks: Checks, started: float) -> None:
    """Embed and commit `work`, all that `plan` has to do, as one chunk."""
    run = plan.run
    start(run, plan.widths, plan.before, started)
    keyed = give_new_keys(work, changes.NEW, plan.before.next_key)
    said = _said(plan, [row for row in keyed if row["change"] in changes.MODEL], checks)
    got = outcomes_of(said)
    if got.items["embedded"]:
        measure_few(run, said, plan.widths, checks.health)
    written = time.time()
    with described(run.spark.sparkContext, "embed: commit"):
        _commit(plan, keyed, said, got, done)
    got.seconds["write_s"] = time.time() - written
    done.add(got)
    tables.remove(run.staging(STAGED))


def _said(plan: Plan, rows: Items, checks: Checks) -> pa.Table:
    """Return what the model says of some items, once it was seen that it has not moved."""
    run = plan.run
    if not rows:
        return to_arrow_schema(staged_schema(run)).empty_table()
    with model_tasks(run) as tasks:
        checks.canaries = check_few_canaries(plan, tasks, checks.version)
        said = tasks.answer(rows, "embed: model")
    if len(said) != len(rows):
        raise UninoteError(f"{len(rows):,} items went to the model and {len(said):,} came back; {UNPUBLISHED}")
    return said


def _commit(plan: Plan, keyed: Items, said: pa.Table, got: Outcomes, done: Outcomes) -> None:
    is_plain = not (got.items["rejects"] or got.items["unusable"] or plan.census.reopened)
    results = None if is_plain else _as_frames(plan, keyed, said, got)
    if results is not None:
        quarantine(plan.run, results)
    check_quarantine(plan, done.notes["incomplete"] + got.notes["incomplete"])
    check_cuts(plan, done, got)
    if results is not None:
        publish(plan.run, results, plan.widths)
    else:
        _publish(plan, keyed, said)


def _as_frames(plan: Plan, keyed: Items, said: pa.Table, got: Outcomes) -> Results:
    """Return what is to be committed as frames: what is set aside, or comes back from there, is Spark's to commit."""
    spark = plan.run.spark
    schema = changes.hashed_schema(plan.run).add("change", "string")
    rows = pa.Table.from_pylist(keyed, to_arrow_schema(schema))
    staged = spark.createDataFrame(said, staged_schema(plan.run))
    return Results(spark.createDataFrame(rows, schema), staged, plan.census_with_keys(), got)


def _publish(plan: Plan, keyed: Items, said: pa.Table) -> None:
    """Commit the vectors, each width, and the items; a table in which nothing changes has no commit."""
    run = plan.run
    removed = [row["item_key"] for row in keyed if row["change"] == changes.DELETED]
    others = [row for row in keyed if row["change"] == changes.ATTRIBUTES]
    for width in plan.widths:
        spec = embeddings_table(run.note_id, embeddings_name(width))
        _apply(run, _at_width(run, said, width), removed, spec)
    spec = items_table(run.note_id)
    columns = [name for name in spec.columns if name != "generation"]
    known = pa.Table.from_pylist(others, said.select(columns).schema)
    _apply(run, pa.concat_tables([said.select(columns), known]), removed, spec)


def _at_width(run: Run, said: pa.Table, width: int) -> pa.Table:
    if width == run.model.full_width or not len(said):
        return said
    return pa.Table.from_batches(make_truncate(width)(iter(said.combine_chunks().to_batches())))


def _apply(run: Run, rows: pa.Table, removed: list[int], spec: TableSpec) -> None:
    """Upsert rows and remove keys in one commit, by MERGE where the files that they touch are large."""
    if not len(rows) and not removed:
        return
    schema = to_arrow_schema(spec.schema)
    stamped = rows.append_column("generation", pa.array([run.model.generation] * len(rows), pa.string()))
    gone = pa.Table.from_pylist([{"item_key": key} for key in removed], schema)
    table = pa.concat_tables([stamped.select(spec.columns).cast(schema), gone])
    table = table.append_column(DELETED, pa.array(np.arange(len(table)) >= len(rows)))
    uri = run.generation.uri(spec.name)
    here = RowChanges(uri, table, spec.key)
    if here.touched_bytes <= MOST_BYTES:
        here.apply()
        return
    bounds = pc.min_max(table["item_key"]).as_py()
    touched = f"old.item_key BETWEEN {bounds['min']} AND {bounds['max']}"
    frame = run.spark.createDataFrame(table, spec.schema.add(DELETED, "boolean"))
    tables.apply_changes(frame, spec, uri, touched)
