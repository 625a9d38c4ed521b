"""The embed stage: every item whose content changed gets a vector at every width, or a reason why not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.errors import UninoteError
from uninote.lake.paths import embeddings_name
from uninote.pipelines.embed.commit import (
    Results,
    cut_widths,
    publish,
    quarantine,
    remove_orphans,
    start,
    versions,
    widths_by_chunk,
)
from uninote.pipelines.embed.foreign.rows import FOREIGN
from uninote.pipelines.embed.foreign.work import ForeignTasks, tasks_of
from uninote.pipelines.embed.guards.canaries import checked_tasks
from uninote.pipelines.embed.guards.checks import Checks
from uninote.pipelines.embed.guards.damage import drop_damaged
from uninote.pipelines.embed.guards.devices import check_devices
from uninote.pipelines.embed.guards.health import measure
from uninote.pipelines.embed.guards.recomputed import check_recomputed
from uninote.pipelines.embed.image_files import record_files
from uninote.pipelines.embed.keys import with_new_keys
from uninote.pipelines.embed.planning import make_plan
from uninote.pipelines.embed.small_work import work_small
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import (
    UNPUBLISHED,
    Chunk,
    Frames,
    Plan,
    check_cuts,
    check_quarantine,
    check_reachable,
    cut_shares,
    reconcile,
)
from uninote.pipelines.embed.steps.chunks import Census, take_census, with_chunks
from uninote.pipelines.embed.steps.model_run import STAGED, Tasks
from uninote.pipelines.embed.steps.outcomes import Outcomes, outcomes
from uninote.pipelines.embed.steps.recovery import (
    STAGE,
    WHOLE,
    compare_tables,
    complete_items,
    find_before,
    published,
)
from uninote.pipelines.embed.steps.scope import settings_digest
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.deadline import check_deadline
from uninote.pipelines.lake.encoders import check_widths
from uninote.pipelines.lake.generations import record_generation
from uninote.pipelines.lake.rotation import keep_axes
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.lake.stale import mark_stale, tables_below, unmark
from uninote.pipelines.notes.images.image_hashes import record_hashes
from uninote.pipelines.notes.images.media_roots import copies_of
from uninote.pipelines.runtime.progress import described, say
from uninote.upkeep.compacting import join_small_files

# What a run has to do, content included: each chunk reads its part, not all notes, and what was read once stays as it was
# read. Plans that begin at a file are short as well, and there are many of them.
SPOOL = "work"


def embed(run: Run) -> dict[str, Any]:
    """Bring the embeddings, items and quarantine of the configured model up to the newest notes."""
    try:
        return _embed(run)
    finally:
        copies_of(run).remove()


def _embed(run: Run) -> dict[str, Any]:
    started = time.time()
    widths = check_widths(run.model, run.config.embed)
    version = tables.table_version(run.lake.uri("notes"))
    with described(run.spark.sparkContext, "embed: what changed"):
        # A killed run is not undone where vectors were dropped: a restore would bring them back.
        is_damaged = run.config.embed.check_vectors and drop_damaged(run, widths)
        before = compare_tables(run, widths) if is_damaged else find_before(run, widths)
        complete_items(run)
        plan = make_plan(run, version, widths, before)
        check_recomputed(plan)
    keep_axes(run.lake.root, run.model)
    record_generation(run.lake.root, run.model)
    if isinstance(plan.work, Frames):
        record_files(run, plan.work.looked, plan.census)
    done = Outcomes()
    checks = Checks(version)
    is_settled = not plan.census.items and before.has_all(widths)
    if not is_settled and isinstance(plan.work, Frames):
        _work(plan, plan.work, done, checks, started)
    elif not is_settled and not isinstance(plan.work, Frames):
        work_small(plan, plan.work, done, checks, started)
    _mark_stale(run, widths)
    if not is_settled:
        paths = [f"{run.model.generation}/{name}" for name in published(widths)]
        join_small_files(run.lake.root, paths, run.config.compaction)
    counts = reconcile(plan, done)
    outcome = Outcome(
        "done",
        counts,
        inputs={"notes": version},
        outputs=versions(run, widths),
        metrics=done.metrics() | cut_shares(counts) | checks.metrics(run),
        fingerprint=_settings_for_next(run, counts),
        next_key=before.next_key + plan.census.of(changes.NEW),
    )
    record(run, STAGE, WHOLE, outcome, started)
    plan.release()
    state = "unchanged" if is_settled else "done"
    return _summary(plan, counts, time.time() - started) | {"state": state}


def _settings_for_next(run: Run, counts: Mapping[str, int]) -> str:
    """Return the digest of the settings; where a store did not answer "", so that the next run compares all notes."""
    waiting = counts["unreachable"] + counts["postponed"]
    if not waiting:
        return settings_digest(run)
    say(
        f"embed: the images of {waiting:,} items could not be reached; {counts['postponed']:,} keep the vectors they have, "
        f"{counts['unreachable']:,} were embedded without or set aside. The next run tries them again"
    )
    return ""


def _mark_stale(run: Run, widths: tuple[int, ...]) -> None:
    """Mark the vectors of widths that the configuration had once; take the mark from those that it has."""
    named = list(map(embeddings_name, widths))
    unmark(run, named)
    former = {}
    for unit in tables_below(run, "embeddings"):
        name = f"embeddings/{unit}"
        if name not in named:
            former[unit] = name
    mark_stale(run, STAGE, former, "embed.widths")


def _work(plan: Plan, frames: Frames, done: Outcomes, checks: Checks, started: float) -> None:
    run = plan.run
    widest = plan.widths[0]
    new = plan.census.of(changes.NEW)
    start(run, plan.widths, plan.before, started)
    if not plan.before.has(widest):
        remove_orphans(run, widest)
    found = frames.found.where(F.col("change") != changes.POSTPONED)
    keyed = with_new_keys(found, f"change = '{changes.NEW}'", plan.before.next_key, new)
    with tasks_of(run) as tasks:
        for chunk in _chunks(plan, tasks, frames.notes, keyed):
            check_deadline(run, f"embed stopped before its {chunk.name}")
            # Foreign vectors come of no model that could have moved.
            if isinstance(tasks, Tasks) and chunk.census.of(*changes.MODEL):
                tasks = checked_tasks(plan, tasks, chunk.for_model, checks, done)
            _chunk(plan, tasks, chunk, done, checks)
    by_chunk = widths_by_chunk(plan.widths, plan.before)
    with described(run.spark.sparkContext, "embed: widths cut anew"):
        cut_widths(run, tuple(width for width in plan.widths if width not in by_chunk), widest)
    for name in (STAGED, SPOOL):
        tables.remove(run.staging(name))


def _chunks(plan: Plan, tasks: Tasks | ForeignTasks, notes: DataFrame, keyed: DataFrame) -> Iterator[Chunk]:
    run = plan.run
    count = max(1, -(-plan.census.of(*changes.MODEL) // run.config.embed.chunk_items))
    uri = run.staging(SPOOL)
    with described(run.spark.sparkContext, f"embed: work for {count} chunk(s)"):
        work = tasks.with_content(notes, with_chunks(keyed, count))
        work.write.mode("overwrite").option("partitionOverwriteMode", "static").partitionBy("chunk").parquet(uri)
    spool = run.spark.read.schema(work.schema).parquet(uri)
    for number, census in sorted(_census_by_chunk(plan, spool, count).items()):
        work = spool.where(F.col("chunk") == number).drop("chunk")
        yield Chunk(number + 1, count == 1, work.drop(*MODEL_COLUMNS, "inline", FOREIGN), work, census)


def _census_by_chunk(plan: Plan, spool: DataFrame, count: int) -> dict[int, Census]:
    """Count the work of each chunk. Of a single one it is known: a small run is spared a query."""
    if count > 1:
        return take_census(spool, "chunk")
    return {0: plan.census_with_keys()} if plan.census.items else {}


def _chunk(plan: Plan, tasks: Tasks | ForeignTasks, chunk: Chunk, done: Outcomes, checks: Checks) -> None:
    """Embed one chunk and commit what came of it."""
    run = plan.run
    started = time.time()
    rows = chunk.census.of(*changes.MODEL)
    staged = tasks.stage(chunk.for_model, rows, f"embed: {chunk.name}, model")
    got = outcomes(staged)
    check_devices(got)
    record_hashes(run, staged)
    if got.items["given"] != rows:
        raise UninoteError(f"{rows:,} items went to the model and {got.items['given']:,} came back; {UNPUBLISHED}")
    if got.items["embedded"]:
        with described(run.spark.sparkContext, f"embed: {chunk.name}, health"):
            measure(run, staged, plan.widths, checks.health)
    results = Results(chunk.keyed, staged, chunk.census, got)
    written = time.time()
    with described(run.spark.sparkContext, f"embed: {chunk.name}, commit"):
        quarantine(run, results)
        check_reachable(plan, chunk, got)
        check_quarantine(plan, done.notes["incomplete"] + got.notes["incomplete"])
        check_cuts(plan, done, got)
        publish(run, results, widths_by_chunk(plan.widths, plan.before))
    got.seconds["write_s"] = time.time() - written
    done.add(got)
    if not chunk.is_all:
        counts = dict(got.items) | {name: chunk.census.of(name) for name in (changes.ATTRIBUTES, changes.DELETED)}
        next_key = max(plan.before.next_key, chunk.census.next_key)
        left = versions(run, plan.widths)
        outcome = Outcome("done", counts, outputs=left, metrics=got.metrics(), next_key=next_key)
        record(run, STAGE, chunk.name, outcome, started)


def _summary(plan: Plan, counts: dict[str, int], seconds: float) -> dict[str, Any]:
    run = plan.run
    made = {name: run.generation.uri(name) for name in published(plan.widths)}
    return {
        "tables": made | {"quarantine": run.lake.uri("quarantine")},
        **counts,
        "notes_per_s": round(counts["embedded"] / seconds, 1),
        "generation": run.model.generation,
        "layout": run.model.layout,
        "widths": list(plan.widths),
    }
