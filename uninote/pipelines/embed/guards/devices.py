"""Workers of several kinds in one run: each kind embeds items whose vectors are known before it embeds any other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.arrow import to_matrix
from udfs.embed.devices import LEAST_COSINE, Known, to_stream
from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.errors import UninoteError
from uninote.pipelines.embed.steps.accounting import UNPUBLISHED
from uninote.pipelines.embed.steps.model_run import PASSED, Tasks
from uninote.pipelines.embed.steps.outcomes import Outcomes
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.gpus import is_one_machine
from uninote.pipelines.runtime.progress import described

ITEMS = 20  # that a kind of device embeds before it takes part
CONTENT = (*PASSED, *MODEL_COLUMNS, "inline")
DESCRIPTION = "embed: items to compare devices by"


@dataclass(frozen=True)
class Canaries:
    """int64 (n,) keys ascending, their vectors, float32 (n, width), and the kinds of device that made these, if known."""

    keys: np.ndarray
    vectors: np.ndarray
    kinds: frozenset[str] = frozenset()


def may_differ(run: Run) -> bool:
    """Say whether workers may compute on devices of several kinds, and are to be compared."""
    return run.config.embed.canaries > 0 and not is_one_machine(run.spark.sparkContext)


def pilot(run: Run, tasks: Tasks, work: DataFrame) -> Known:
    """Have one task embed the first items of `work` (PASSED and content), for all other kinds of device to agree with.

    These are compared where nothing is stored that they could be compared with.
    """
    with described(run.spark.sparkContext, DESCRIPTION):
        first = work.orderBy("item_key").limit(ITEMS)
        rows = _as_tasks_get_them(first)
        few = run.spark.createDataFrame(rows, first.select(*CONTENT).schema)
        made = tasks.stage(few, len(rows), DESCRIPTION)
        said = made.where(F.col("vector").isNotNull()).select("item_key", "vector", "device").toArrow()
    found = canaries_of(said, run.model.full_width)
    return known_of(rows, replace(found, kinds=frozenset(said["device"].to_pylist())))


def content_of(work: DataFrame, keys: np.ndarray) -> pa.Table:
    """Return the rows of `work` with these keys, as tasks get them."""
    return _as_tasks_get_them(work.where(F.col("item_key").isin(keys.tolist())))


def _as_tasks_get_them(work: DataFrame) -> pa.Table:
    return work.select(*CONTENT).toArrow()


def canaries_of(rows: pa.Table, width: int) -> Canaries:
    """Return (item_key, vector) rows in the order of their keys; `width` is that of no rows."""
    ordered = rows.sort_by("item_key").combine_chunks()
    if not len(ordered):
        return Canaries(np.empty(0, np.int64), np.empty((0, width), np.float32))
    vectors = ordered["vector"].combine_chunks().cast(pa.list_(pa.float32()))
    return Canaries(ordered["item_key"].to_numpy(), to_matrix(vectors))


def known_of(rows: pa.Table, canaries: Canaries) -> Known:
    """Return what tasks are told of canaries, of which `rows` have the content; of those that have no vector, nothing."""
    ordered = rows.sort_by("item_key")
    has_vector = np.isin(ordered["item_key"].to_numpy(), canaries.keys)
    return Known(to_stream(ordered.filter(pa.array(has_vector))), canaries.vectors, canaries.kinds)


def check_devices(got: Outcomes) -> None:
    """Raise UninoteError where a device makes other vectors than are known: nothing of the chunk is published then."""
    if not got.moved:
        return
    found = [f"{device} (mean cosine {cosine:.4f})" for device, cosine in sorted(got.moved.items())]
    raise UninoteError(
        f"devices of this run make different vectors: {', '.join(found)} does not make those that are stored, or that other "
        f"workers made, of which each should have a cosine of {LEAST_COSINE}; {UNPUBLISHED}. Run on workers of one kind, with "
        "the same libraries; embed.canaries=0 goes on without this check"
    )
