"""Notes that have a vector are embedded again before a run computes anything: a model that moved is seen there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql import functions as F

from udfs.arrow import to_matrix
from uninote.errors import UninoteError
from uninote.lake.paths import embeddings_name
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import Plan
from uninote.pipelines.embed.steps.model_run import PASSED, STAGED, Tasks
from uninote.pipelines.lake import tables
from uninote.pipelines.notes.image_texts import with_read_texts
from uninote.pipelines.runtime.progress import described, say
from uninote.storage.lake_files import for_arrow
from uninote.vectors.widths import truncate

# Looked at for each canary: of the items with the least keys some are edited now, degraded, or no notes.
KEYS = 20
# bfloat16 in batches of other shapes stays above 1 - 2e-4 (docs/encoders.md).
LEAST_COSINE = 0.999
# Of the items that a run embeds, and no fewer than LEAST: 200 canaries for one edited note took longer than all else it did. A
# model that moved is seen in a few.
SHARE = 0.25
LEAST = 20
MOVED_SHARE = 0.05


@dataclass(frozen=True)
class Canaries:
    """int64 (n,) keys ascending, and what is stored of them: float32 (n, width)."""

    keys: np.ndarray
    vectors: np.ndarray


def check_canaries(plan: Plan, tasks: Tasks, version: int) -> dict[str, float]:
    """Embed some notes whose vectors are stored, as of `version` of the notes, and compare. Returns metrics for the ledger.

    Always the notes with the least keys: those have the oldest vectors. Raises UninoteError where the model moved.
    """
    run = plan.run
    if not run.config.embed.canaries or not plan.before.has(plan.widths[0]):
        return {}
    with described(run.spark.sparkContext, "embed: canaries"):
        stored = _stored(plan)
        fresh = _embedded(plan, tasks, version, stored.keys)
    at = np.flatnonzero(np.isin(stored.keys, fresh.keys))
    if not len(at):
        return {}
    cosines = np.einsum("nd,nd->n", stored.vectors[at], truncate(fresh.vectors, plan.widths[0]))
    moved = int((cosines < LEAST_COSINE).sum())
    if moved > max(1, MOVED_SHARE * len(at)):
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
    touched = plan.found.where(F.col("item_key") < most * KEYS).select("item_key").toArrow()["item_key"].to_numpy()
    chosen = np.setdiff1d(keys, touched)[:most]
    uri = run.generation.uri(embeddings_name(plan.widths[0]))
    wanted = bound & pc.field("item_key").isin(chosen)
    rows = DeltaTable(uri).to_pyarrow_dataset().to_table(columns=["item_key", "vector"], filter=wanted)
    return _in_order(rows, plan.widths[0])


def _wanted(most: int, items: int) -> int:
    """Return how many canaries a run embeds beside `items` others."""
    return min(most, max(LEAST, int(SHARE * items)))


def _embedded(plan: Plan, tasks: Tasks, version: int, keys: np.ndarray) -> Canaries:
    """Embed the canaries; one that lacks an image now, as its store does not answer, is none."""
    run = plan.run
    if not len(keys):
        return Canaries(keys, np.empty((0, run.model.full_width), np.float32))
    items = tables.read_table(run.spark, run.generation.uri("items"))
    chosen = items.where(F.col("item_key").isin(keys.tolist())).select(*PASSED)
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    named = [row["note_id"] for row in chosen.select("note_id").collect()]
    # As the plan reads them: texts that were read in images are part of what has a vector.
    seen = with_read_texts(run, notes.where(F.col("note_id").isin(named)))
    work = tasks.with_content(seen, chosen)
    tasks.stage(work, len(keys), "embed: canaries")
    files, place = for_arrow(run.staging(STAGED))
    rows = pq.read_table(place, filesystem=files, columns=["item_key", "vector", "degraded"])
    complete = pc.and_(pc.is_valid(rows["vector"]), pc.invert(rows["degraded"]))
    return _in_order(rows.filter(complete), run.model.full_width)


def _in_order(rows: pa.Table, width: int) -> Canaries:
    ordered = rows.sort_by("item_key").combine_chunks()
    if not len(ordered):
        return Canaries(np.empty(0, np.int64), np.empty((0, width), np.float32))
    vectors = ordered["vector"].combine_chunks().cast(pa.list_(pa.float32()))
    return Canaries(ordered["item_key"].to_numpy(), to_matrix(vectors))
