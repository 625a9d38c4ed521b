"""Notes that have a vector are embedded again before a run computes anything: a model that moved is seen there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.embed.devices import LEAST_COSINE, Known, have_moved
from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.errors import UninoteError
from uninote.lake.paths import embeddings_name
from uninote.lake.small_tables import read_batches
from uninote.pipelines.embed.guards.checks import Checks
from uninote.pipelines.embed.guards.devices import ITEMS, Canaries, canaries_of, content_of, known_of, may_differ, pilot
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import Frames, Items, Plan
from uninote.pipelines.embed.steps.model_run import PASSED, STAGED, Tasks
from uninote.pipelines.embed.steps.outcomes import Outcomes
from uninote.pipelines.lake import tables
from uninote.pipelines.notes.images.image_texts import with_read_texts
from uninote.pipelines.runtime.progress import described, say
from uninote.storage.lake_files import for_arrow
from uninote.vectors.widths import truncate

# Looked at for each canary: of the items with the least keys some are edited now, degraded, or no notes.
KEYS = 20
# Of the items that a run embeds, and no fewer than LEAST: 200 canaries for one edited note took longer than all else it did. A
# model that moved is seen in a few.
SHARE = 0.25
LEAST = 20


def checked_tasks(plan: Plan, tasks: Tasks, work: DataFrame, checks: Checks, done: Outcomes) -> Tasks:
    """Return `tasks` for the next chunk, of `work` for the model; before the first chunk, see whether the model moved.

    Where workers may be of several kinds, those of a kind that was not compared compare themselves. Raises UninoteError where
    the model moved.
    """
    run = plan.run
    if checks.canaries is not None:
        known = tasks.known
        return tasks if known is None else replace(tasks, known=replace(known, kinds=known.kinds | done.devices.keys()))
    checks.canaries, known = check_canaries(plan, tasks, checks.version)
    if known is None and may_differ(run):
        known = pilot(run, tasks, work)
    return replace(tasks, known=known)


def check_canaries(plan: Plan, tasks: Tasks, version: int) -> tuple[dict[str, float], Known | None]:
    """Embed some notes whose vectors are stored, as of `version` of the notes, and compare.

    Returns metrics for the ledger, and what devices of other kinds are to be compared with, null where there are none, or
    nothing is stored. Always the notes with the least keys: those have the oldest vectors. Raises UninoteError where the
    model moved.
    """
    run = plan.run
    if not run.config.embed.canaries or not plan.before.has(plan.widths[0]):
        return {}, None
    with described(run.spark.sparkContext, "embed: canaries"):
        stored = _stored(plan)
        work = _content(plan, tasks, version, stored.keys)
        fresh = _embedded(plan, tasks, work, len(stored.keys))
    at = _found_in(stored, fresh)
    if not len(at):
        return {}, None
    metrics = _compared(stored, fresh, plan.widths[0])
    few = Canaries(stored.keys[at][:ITEMS], stored.vectors[at][:ITEMS], fresh.kinds)
    return metrics, known_of(content_of(work, few.keys), few) if may_differ(run) else None


def check_few_canaries(plan: Plan, tasks: Tasks, version: int) -> dict[str, float]:
    """Do what `check_canaries` does for a run whose work is in the driver; returns metrics for the ledger."""
    if not plan.run.config.embed.canaries:
        return {}
    stored = _stored(plan)
    few = _few(plan, version, stored.keys)
    if few is None:
        return check_canaries(plan, tasks, version)[0]
    if not few:
        return {}
    fresh = _complete(tasks.answer(few, "embed: canaries"), plan.run.model.full_width)
    return _compared(stored, fresh, plan.widths[0])


def _found_in(stored: Canaries, fresh: Canaries) -> np.ndarray:
    """Return the places in `stored` of what is in `fresh` too, int64."""
    return np.flatnonzero(np.isin(stored.keys, fresh.keys))


def _compared(stored: Canaries, fresh: Canaries, width: int) -> dict[str, float]:
    """Return metrics for the ledger; none where nothing was embedded. Raises UninoteError where the model moved."""
    at = _found_in(stored, fresh)
    if not len(at):
        return {}
    cosines = np.einsum("nd,nd->n", stored.vectors[at], truncate(fresh.vectors, width))
    if have_moved(cosines):
        moved = int((cosines < LEAST_COSINE).sum())
        raise UninoteError(
            f"the model moved: of {len(at):,} notes embedded before, {moved:,} have another vector now (mean cosine to the "
            f"stored one {cosines.mean():.4f}), though nothing of them changed; nothing was published. Is it another version "
            "of a library, another device or dtype? Go back to it, or set model.layout or another checkpoint, which embeds "
            "all notes anew; embed.canaries=0 goes on without this check"
        )
    say(f"embed: {len(at):,} notes embedded before have the same vectors now (mean cosine {cosines.mean():.6f})")
    return {
        "canaries": float(len(at)),
        "canary_cosine": float(cosines.mean()),
        "canary_least_cosine": float(cosines.min()),
    }


def _stored(plan: Plan) -> Canaries:
    """Choose the canaries, and read their vectors: from the few row groups with the least keys, without Spark."""
    run = plan.run
    most = _wanted(run.config.embed.canaries, plan.census.of(*changes.MODEL))
    bound = pc.field("item_key") < most * KEYS
    items = DeltaTable(run.generation.uri("items")).to_pyarrow_dataset()
    complete = (pc.field("kind") == "note") & ~pc.field("degraded")
    keys = items.to_table(columns=["item_key"], filter=bound & complete)["item_key"].to_numpy()
    chosen = np.setdiff1d(keys, _touched(plan, most * KEYS))[:most]
    uri = run.generation.uri(embeddings_name(plan.widths[0]))
    wanted = bound & pc.field("item_key").isin(chosen)
    rows = DeltaTable(uri).to_pyarrow_dataset().to_table(columns=["item_key", "vector"], filter=wanted)
    return canaries_of(rows, plan.widths[0])


def _touched(plan: Plan, below: int) -> np.ndarray:
    """Return the keys `below` a bound of items that the run changes, int64."""
    if not isinstance(plan.work, Frames):
        keys = [row["item_key"] for row in plan.work if row["item_key"] is not None]
        return np.array(keys, np.int64)
    found = plan.work.found.where(F.col("item_key") < below).select("item_key")
    return np.asarray(found.toArrow()["item_key"].to_numpy())


def _wanted(most: int, items: int) -> int:
    """Return how many canaries a run embeds beside `items` others."""
    return min(most, max(LEAST, int(SHARE * items)))


def _content(plan: Plan, tasks: Tasks, version: int, keys: np.ndarray) -> DataFrame:
    """Return what the model sees of the items with these keys."""
    run = plan.run
    items = tables.read_table(run.spark, run.generation.uri("items"))
    chosen = items.where(F.col("item_key").isin(keys.tolist())).select(*PASSED)
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    named = [row["note_id"] for row in chosen.select("note_id").collect()]
    # As the plan reads them: texts that were read in images are part of what has a vector.
    seen = with_read_texts(run, notes.where(F.col("note_id").isin(named)))
    return tasks.with_content(seen, chosen)


def _embedded(plan: Plan, tasks: Tasks, work: DataFrame, count: int) -> Canaries:
    """Embed the canaries; one that lacks an image now, as its store does not answer, is none."""
    run = plan.run
    if not count:
        return Canaries(np.empty(0, np.int64), np.empty((0, run.model.full_width), np.float32))
    tasks.stage(work, count, "embed: canaries")
    files, place = for_arrow(run.staging(STAGED))
    columns = ["item_key", "vector", "degraded", "device"]
    rows = pq.read_table(place, filesystem=files, columns=columns)
    return replace(_complete(rows, run.model.full_width), kinds=frozenset(rows["device"].to_pylist()))


def _few(plan: Plan, version: int, keys: np.ndarray) -> Items | None:
    """Return the canaries with their content, read in this process; null where one has images."""
    run = plan.run
    by_note = {}
    for batch in read_batches(run.generation.uri("items"), PASSED):
        for row in batch.filter(pc.is_in(batch["item_key"], pa.array(keys))).to_pylist():
            by_note[row["note_id"]] = row
    found = []
    for batch in read_batches(run.lake.uri("notes"), ["note_id", *MODEL_COLUMNS], version):
        for row in batch.filter(pc.is_in(batch["note_id"], pa.array([*by_note], batch["note_id"].type))).to_pylist():
            found.append(row | by_note[row["note_id"]])
    return None if any(row["images"] for row in found) else found


def _complete(rows: pa.Table, width: int) -> Canaries:
    complete = pc.and_(pc.is_valid(rows["vector"]), pc.invert(rows["degraded"]))
    return canaries_of(rows.filter(complete), width)
