"""Index: a base by the stage's own plan for each width, and each night a segment of what changed since."""

from __future__ import annotations

from uninote.index.planning.choose import overrides_of, plan_index
from uninote.index.planning.plan import STAGE_SECONDS, IndexPlan
from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost

# Of a row on its way to its shard, beside its vector: 279 bytes x 64 were seen (docs/benchmarks.md, Many rows).
_ROW_BYTES = 23


def plans(case: Case) -> dict[int, IndexPlan]:
    """Return the plan of each width's index. Raises ConfigError where one cannot be met."""
    overrides = overrides_of(case.settings.index)
    widths = case.settings.indexed_widths(case.workload)
    return {width: plan_index(case.workload.notes, width, overrides) for width in widths}


def first(case: Case) -> StageCost:
    """Return what the bases take, `IndexPlan.cpu_seconds` of each; each vector is shuffled to its shard once."""
    made = plans(case)
    work = sum(plan.training_seconds + plan.adding_seconds for plan in made.values())
    return _cost(made, work * case.rates["index.factor"], 1.0, sum(plan.total_bytes for plan in made.values()))


def night(case: Case) -> StageCost:
    """Return what a night takes on average: changed rows are added, and the share of a base that a night brings about.

    A base is made anew once `index.compact_share` of it has changed. Until then the segment, half of that share on average, is
    copied from night to night without its vectors: bytes written, and hardly any CPU (docs/benchmarks.md: .0035 of a build).
    """
    made = plans(case)
    workload = case.workload
    share = case.settings.index.compact_share
    bases = min(1.0, workload.change_rate / share) if share else 1.0
    work = 0.0
    written = 0.0
    for plan in made.values():
        adding = workload.change_rate * plan.adding_seconds
        work += adding + bases * (plan.training_seconds + plan.adding_seconds)
        written += bases * plan.total_bytes + share / 2 * workload.notes * plan.row_bytes
    return _cost(made, work * case.rates["index.factor"], workload.change_rate + bases, round(written))


def _cost(made: dict[int, IndexPlan], core_seconds: float, passes: float, written: int) -> StageCost:
    rows = next(iter(made.values())).rows
    return StageCost(
        "index",
        core_seconds=core_seconds,
        constant_s=STAGE_SECONDS * len(made),
        tasks=max(plan.num_shards for plan in made.values()),
        task_bytes=max(plan.task_bytes for plan in made.values()),
        driver_bytes=max(plan.train_bytes for plan in made.values()),
        shuffled_bytes=round(passes * rows * sum(4 * width + _ROW_BYTES for width in made)),
        written_bytes=written,
    )
