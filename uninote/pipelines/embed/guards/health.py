"""The vectors of a run: what they look like together, and whether the model told its contents apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, LongType, StringType

from udfs.embed.health import MEASURED, make_health
from uninote.errors import UninoteError
from uninote.lake.schemas import struct_of
from uninote.pipelines.embed.steps.accounting import UNPUBLISHED
from uninote.pipelines.embed.steps.recovery import STAGE, WHOLE
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.run import Run, ledger
from uninote.pipelines.runtime.progress import say
from uninote.vectors.health import Health, differences

# Contents of one vector: fewer are chance, such as texts that differ in what no tokenizer tells apart.
LEAST_EQUAL = 5
# Of a change of the mean cosine, or of a width's spread, from run to run.
WORTH_SAYING = 0.1
# Vectors that say something of the model: those of one edited note all point the same way.
ENOUGH = 100
_KINDS = (LongType(), StringType(), StringType(), BinaryType())
_SCHEMA = struct_of(**dict(zip(MEASURED, _KINDS, strict=True)))


@dataclass
class VectorHealth:
    """Of the vectors of a run so far: their Health, and how many different `contents` have one, `equal` of them no own one."""

    health: Health = field(default_factory=Health)
    contents: int = 0
    equal: int = 0

    def metrics(self) -> dict[str, float]:
        """Return what the ledger keeps; nothing where nothing was computed."""
        found = self.health.metrics()
        return found | {"health_equal_share": self.equal / self.contents} if self.contents else found


class Shared(NamedTuple):
    """How many contents have one vector, and the first and the last of their items."""

    contents: int
    first: str
    last: str


@dataclass(frozen=True)
class Marks:
    """How many `contents` there are, `equal` of them with no vector of their own.

    `shared`: the vector that most have; null where there are none.
    """

    contents: int
    equal: int
    shared: Shared | None


def measure(run: Run, staged: DataFrame, widths: Sequence[int], so_far: VectorHealth) -> None:
    """Add the vectors of a chunk. Raises UninoteError where one of them stands for too many different contents.

    One job over what the model just said; the driver gets one row, with the sums of each task in it.
    """
    rows = staged.where("vector IS NOT NULL").select("content_hash", "item_id", "vector", "tokens_cut")
    # By a hash of the rounded vector: grouping by 400 floats would shuffle all vectors.
    by_mark = (
        rows.mapInArrow(make_health(widths), _SCHEMA)
        .groupBy("mark")
        .agg(
            F.count_distinct("content_hash").alias("contents"),
            F.min("item_id").alias("first"),
            F.max("item_id").alias("last"),
            # Each task writes the sums of its vectors into one row, and null into the others, which are skipped.
            F.collect_list("health").alias("health"),
        )
    )
    found = by_mark.agg(
        F.coalesce(F.sum("contents"), F.lit(0)).alias("contents"),
        F.coalesce(F.sum(F.when(F.col("contents") > 1, F.col("contents"))), F.lit(0)).alias("equal"),
        F.max(F.struct("contents", "first", "last")).alias("most"),
        F.flatten(F.collect_list("health")).alias("health"),
    ).collect()[0]
    most = found["most"]
    shared = None if most is None else Shared(most["contents"], most["first"], most["last"])
    _take(run, widths, so_far, found["health"], Marks(found["contents"], found["equal"], shared))


def measure_few(run: Run, said: pa.Table, widths: Sequence[int], so_far: VectorHealth) -> None:
    """Add the vectors of a few items, which this process holds. Raises UninoteError as `measure` does."""
    rows = said.filter(said["vector"].is_valid()).select(["content_hash", "item_id", "vector", "tokens_cut"])
    packed = []
    by_mark: dict[int, list[tuple[str, str]]] = {}
    for batch in make_health(widths)(iter(rows.combine_chunks().to_batches())):
        for row in batch.to_pylist():
            if row["mark"] is None:
                packed.append(row["health"])
            else:
                by_mark.setdefault(row["mark"], []).append((row["content_hash"], row["item_id"]))
    contents = equal = 0
    shared = None
    for found in by_mark.values():
        distinct = len({content for content, _ in found})
        contents += distinct
        equal += distinct if distinct > 1 else 0
        ids = [item_id for _, item_id in found]
        one = Shared(distinct, min(ids), max(ids))
        shared = one if shared is None else max(shared, one)
    _take(run, widths, so_far, packed, Marks(contents, equal, shared))


def _take(run: Run, widths: Sequence[int], so_far: VectorHealth, packed: Sequence[bytes], marks: Marks) -> None:
    for one in packed:
        so_far.health.add(Health.unpack(one, widths))
    so_far.contents += marks.contents
    so_far.equal += marks.equal
    if marks.shared is not None:
        _check(run, marks.shared.contents, marks.contents, (marks.shared.first, marks.shared.last))


def _check(run: Run, sharing: int, contents: int, examples: tuple[str, str]) -> None:
    allowed = run.config.embed.max_equal_share
    if sharing >= LEAST_EQUAL and sharing > allowed * contents:
        raise UninoteError(
            f"one vector is shared by {sharing:,} of {contents:,} different contents, such as {examples[0]!r} and "
            f"{examples[1]!r}, more than embed.max_equal_share={allowed}: the model does not tell them apart; {UNPUBLISHED}. "
            "Is the checkpoint whole, and one for such notes? Raise the share to go on"
        )


def compared(run: Run, now: dict[str, float], vectors: int) -> dict[str, float]:
    """Return by how much the figures of so many vectors differ from those of the last run; say so where it is much.

    That is the last run that computed ENOUGH vectors, or nothing is compared; of fewer vectors now, nothing is said.
    """
    before = _last_measured(run)
    if before is None:
        return {}
    changed = {}
    for name, by in differences(now, before["metrics"]).items():
        changed[f"change_of_{name}"] = by
        if abs(by) >= WORTH_SAYING and vectors >= ENOUGH and not name.startswith("health_norm"):
            say(f"embed: {name} is {now[name]:.3f}, in run {before['run_id']} it was {before['metrics'][name]:.3f}")
    return changed


def _last_measured(run: Run) -> Entry | None:
    for entry in ledger(run, STAGE):
        is_done = entry["unit"] == WHOLE and entry["state"] == "done"
        is_enough = entry["counts"].get("embedded", 0) >= ENOUGH
        if is_done and is_enough and "health_mean_cosine" in entry["metrics"]:
            return entry
    return None
