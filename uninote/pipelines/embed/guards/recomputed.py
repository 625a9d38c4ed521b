"""How much of what a lake has would be computed again, and why; and when that is too much."""

from __future__ import annotations

from uninote.errors import UninoteError
from uninote.lake.delta_files import rows_of
from uninote.lake.generation_record import find_generations
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import Plan
from uninote.pipelines.lake.run import Run

# Items that a run may compute again where no share is set: a small lake is its owner's to change.
FREE = 1000
DEFAULT_SHARE = 0.5
AGAIN = (changes.TEXT, changes.IMAGE, changes.LIMITS)


def reasons(plan: Plan) -> dict[str, int]:
    """Return how many items would be computed, or get other attributes, for each reason; `generation` stands for `new`.

    The items of a lake whose vectors are all of other generations are not new to it: as many of them as it has there.
    """
    found = dict(plan.census.reasons)
    # To this generation every item is new. That it computes again what the lake has is what matters here.
    known = min(found.get(changes.NEW, 0), held_elsewhere(plan.run))
    if known:
        found[changes.GENERATION] = known
        found[changes.NEW] -= known
    return {reason: found[reason] for reason in changes.REASONS if found.get(reason)}


def held_elsewhere(run: Run) -> int:
    """Return how many items the largest other generation has, where the configured one has none; else 0."""
    if rows_of(run.generation.uri("items")):
        return 0
    tables = [run.lake.uri(f"{generation}/items") for generation in find_generations(run.lake.root)]
    return max(map(rows_of, tables), default=0)


def too_much(plan: Plan) -> str | None:
    """Return, in one sentence, why the run may not go on; null where it may, as where vectors come from a table."""
    run = plan.run
    if run.vector_table is not None:
        return None
    found = {}
    for reason, count in reasons(plan).items():
        if reason in (*AGAIN, changes.GENERATION):
            found[reason] = count
    again = sum(found.values())
    held = rows_of(run.generation.uri("items")) or held_elsewhere(run)
    asked = run.config.embed.max_changed_share
    share = DEFAULT_SHARE if asked is None else asked
    if again <= share * held or (asked is None and again <= FREE):
        return None
    why = ", ".join(f"{reason} {count:,}" for reason, count in found.items())
    return (
        f"{again:,} items that have a vector would be computed again, of {held:,} in the lake ({why}), more than "
        f"embed.max_changed_share={share}; nothing was written. If that is meant, run with --set embed.max_changed_share=1"
    )


def check_recomputed(plan: Plan) -> None:
    """Raise UninoteError where the run would compute more again than it may. The first run of a lake is free."""
    message = too_much(plan)
    if message is not None:
        raise UninoteError(message)
