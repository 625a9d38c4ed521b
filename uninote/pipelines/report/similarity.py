"""How alike notes and their neighbours are: histograms of the scores that lists hold, by rank."""

from __future__ import annotations

from collections import defaultdict

from pyspark.sql import Column
from pyspark.sql import functions as F

from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.report.figures import Histogram

BINS = 30
RANKS = (1, 2, 5, 10, 20, 50, 100)  # whose scores are shown, as far as lists go
BEST = 0  # instead of a rank: the best neighbour, on an axis of its own


def score_histograms(run: Run) -> dict[int, Histogram]:
    """Return how alike notes and their neighbours are, by rank, all on one axis; as BEST, the first alone on its own axis.

    Empty where no list has an entry. Two queries, whatever the number of ranks.
    """
    ranks = [rank for rank in RANKS if rank <= run.config.neighbours.k]
    columns = [_score_at(1, BEST)]
    for rank in ranks:
        columns.append(_score_at(rank, rank))
    lists = tables.read_table(run.spark, run.generation.uri("neighbours"))
    rows = lists.select(F.explode(F.array(*columns)).alias("one")).select("one.*").where("score IS NOT NULL")
    first = F.when(F.col("key") == BEST, F.col("score"))
    ends = rows.agg(F.min(first), F.max(first), F.min("score"), F.max("score")).collect()[0]
    if ends[0] is None:
        return {}
    own = _axis(ends[0], ends[1])
    shared = _axis(ends[2], ends[3])
    is_best = F.col("key") == BEST
    low = F.when(is_best, own[0]).otherwise(shared[0])
    step = F.when(is_best, own[1]).otherwise(shared[1])
    number = F.least(F.floor((F.col("score") - low) / step), F.lit(BINS - 1)).alias("bin")
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * BINS)
    for row in rows.groupBy("key", number).count().collect():
        counts[row["key"]][row["bin"]] = row["count"]
    found = {BEST: Histogram(_edges(*own), tuple(counts[BEST]))}
    for rank in ranks:
        found[rank] = Histogram(_edges(*shared), tuple(counts[rank]))
    return found


def _score_at(rank: int, key: int) -> Column:
    """Return (key, score) of the entry of that rank; a null score past the end of a list."""
    score = F.get("neighbours", F.lit(rank - 1))["score"].cast("double")
    return F.struct(F.lit(key).alias("key"), score.alias("score"))


def _axis(low: float, high: float) -> tuple[float, float]:
    """Return (the lowest edge, the width of a bin)."""
    # Where all scores are equal, bins are narrow, and one of them holds all.
    return low, (high - low) / BINS or 1e-6


def _edges(low: float, step: float) -> tuple[float, ...]:
    return tuple(low + step * number for number in range(BINS + 1))
