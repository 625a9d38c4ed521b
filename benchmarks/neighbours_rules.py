"""What tables with rules cost on Spark: full joins and nights, over those of a lake without rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neighbour_sets import growing
from stored_lake import edited, make_lake, write

from uninote.config.sections.neighbours import RuleConfig
from uninote.pipelines.lake.run import Run

TABLES = {
    "plain": {},
    "different": {"other_author": RuleConfig(different=("author",))},
    "same": {"same_language": RuleConfig(same=("language",))},
}
ATTRIBUTES = {
    # As a Zipf law of exponent 1.5 has authors: the largest wrote a third of the notes, most a few.
    "author": "concat('a', CAST(floor(pow(rand(1), -2)) % 20000 AS STRING))",
    "language": "elt(1 + CAST(floor(pow(rand(2), 2) * 5) AS INT), 'en', 'zh', 'fr', 'de', 'es')",
}


def rules_vs_plain(run: Run, folder: str, rows: int, timed: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Return the largest ratio, and CPU-seconds of full join and night without rules and with each of two more tables."""
    vectors = growing(rows)
    lake = run.config.model_copy(update={"lake": f"{folder}/rules"})
    make_lake(Run(run.spark, lake), vectors, ATTRIBUTES)
    taken: dict[str, dict[str, Any]] = {}
    for name, tables in TABLES.items():
        settings = lake.neighbours.model_copy(update={"tables": tables})
        config = lake.model_copy(update={"neighbours": settings})
        full = timed(Run(run.spark, config))
        write(Run(run.spark, config), *edited(vectors, seed=len(taken)), name)
        taken[name] = {"full": full, "night": timed(Run(run.spark, config))}
    ratios = []
    for name in ("different", "same"):
        for kind in ("full", "night"):
            ratios.append(taken[name][kind]["cpu_s"]["all"] / taken["plain"][kind]["cpu_s"]["all"])
    return {"rules_vs_plain": round(max(ratios), 2), "rules": taken}
