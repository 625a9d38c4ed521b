"""Examples as they are trained on: with a teacher's scores and negatives, or without, counted by strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.training.mining import make_scored
from uninote.errors import UninoteError
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.training.assembly import Assembly, stored
from uninote.pipelines.training.judge import with_judge
from uninote.pipelines.training.teacher import EXAMPLE, teach
from uninote.training.dataset.schemas import EXAMPLES, NO_ITEM, TRAIN
from uninote.training.from_notes.soft_scores import UNSCORED, WITHOUT_NEGATIVES, WITHOUT_SCORES

# Of a strategy's examples: where the teacher scores fewer, they are all trained without scores.
_LEAST_SCORED = 0.5


def with_negatives(run: Run, assembly: Assembly, sources: DataFrame, working: str) -> tuple[DataFrame, Counter[str]]:
    """Return the examples with the columns of EXAMPLES, and what of the training split the teacher left without scores.

    Raises UninoteError where more than `max_without_negatives` of a strategy's examples have no negative.
    """
    if run.config.training.teacher == "none":
        return _plain(assembly.examples), Counter()
    answers = with_judge(run, assembly, teach(run, assembly, sources, working), sources, working)
    asked = assembly.examples.join(answers, list(EXAMPLE), "left")
    scored = asked.mapInArrow(make_scored(run.config.training.negatives), from_arrow_schema(EXAMPLES))
    scored = stored(run, scored, f"{working}/scored")
    counted = _counted(scored)
    counts = _counts(counted)
    _check(run, counted, counts)
    without = [name for name in counted if counts[f"{WITHOUT_SCORES}/{name}"]]
    falls_back = F.col("strategy").isin(without)
    # What is held out is measured by its right answers alone, which need no score.
    kept = scored.where(F.col("positive_score").isNotNull() | (F.col("split") != TRAIN)).where(~falls_back)
    return kept.unionByName(_plain(assembly.examples.where(falls_back))), counts


def _plain(examples: DataFrame) -> DataFrame:
    """Return examples without scores, whose only negatives are those by rule."""
    by_rule = F.when(F.col("by_rule") != NO_ITEM, F.array("by_rule")).otherwise(F.array().cast("array<bigint>"))
    scores = {"positive_score": F.lit(None).cast("float"), "negative_scores": F.lit(None).cast("array<float>")}
    return examples.withColumns({"negatives": by_rule, **scores}).drop("by_rule")


def _counted(scored: DataFrame) -> dict[str, Row]:
    """Return of each strategy how many examples there are to train on, how many have scores, and how many a negative."""
    is_scored = F.col("positive_score").isNotNull()
    found = scored.where(F.col("split") == TRAIN).groupBy("strategy")
    counted = found.agg(
        F.count("*").alias("all"),
        F.count_if(is_scored).alias("scored"),
        F.count_if(is_scored & (F.size("negatives") > 0)).alias("with_negatives"),
    )
    return {row["strategy"]: row for row in sorted(counted.collect())}


def _counts(counted: Mapping[str, Row]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, row in counted.items():
        falls_back = row["scored"] < _LEAST_SCORED * row["all"]
        counts[f"{WITHOUT_SCORES}/{name}"] = row["all"] if falls_back else 0
        counts[f"{UNSCORED}/{name}"] = 0 if falls_back else row["all"] - row["scored"]
        counts[f"{WITHOUT_NEGATIVES}/{name}"] = 0 if falls_back else row["scored"] - row["with_negatives"]
    return counts


def _check(run: Run, counted: Mapping[str, Row], counts: Counter[str]) -> None:
    """Say by strategy what has no score or no negative. Raises UninoteError where too many have no negative."""
    allowed = run.config.training.max_without_negatives
    lacking = []
    for name, row in counted.items():
        if counts[f"{WITHOUT_SCORES}/{name}"]:
            say(
                f"training set: the teacher scores {row['scored']:,} of {row['all']:,} examples of {name}: they are trained "
                "without scores, by InfoNCE"
            )
        if unscored := counts[f"{UNSCORED}/{name}"]:
            say(
                f"training set: {unscored:,} of {row['all']:,} examples of {name} are left out: the teacher has no vector of "
                "a part of them"
            )
        if without := counts[f"{WITHOUT_NEGATIVES}/{name}"]:
            say(f"training set: {without:,} of {row['scored']:,} examples of {name} have no negative")
            if without > allowed * row["scored"]:
                lacking.append(f"{name} ({without:,} of {row['scored']:,})")
    if lacking and run.config.training.negatives:
        raise UninoteError(
            f"examples without any negative: {', '.join(lacking)}, more than training.max_without_negatives={allowed}: no "
            f"candidate scores within training.window={list(run.config.training.window)}, and where negatives of the batch do "
            "not count such an example teaches nothing; give a window that this teacher's scores lie in (window_unit: quantile)"
        )
