"""What the arms of learning.py found, over seeds: means, standard deviations, and differences to their bases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import mean, stdev
from typing import Any

from learning_arms import COMPARED, COMPARED_TOO

Row = dict[str, Any]


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """Return mean and standard deviation of each score by arm, and `differences`: an arm's means less those of its base."""
    by_arm: dict[str, list[Row]] = {}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    arms = {name: _of_arm(found) for name, found in by_arm.items()}
    differences = {}
    for name, base in (COMPARED | COMPARED_TOO).items():
        if name in by_arm and base in by_arm:
            differences[f"{name}, less {base}"] = _differences(by_arm[name], by_arm[base])
    return {"arms": arms, "differences": differences}


def _of_arm(rows: list[Row]) -> Row:
    scores = {}
    for key in rows[0]["scores"]:
        values = [row["scores"][key] for row in rows]
        scores[key] = {"mean": round(mean(values), 4), "spread": _spread(values)}
    seconds = round(mean(row["cpu_seconds"] for row in rows))
    return {"seeds": len(rows), "steps": rows[0]["steps"], "cpu_seconds": seconds, "scores": scores}


def _differences(rows: list[Row], base: list[Row]) -> dict[str, Mapping[str, float | None]]:
    """Return the difference of means by score, and the standard deviation of that difference."""
    found = {}
    for key in rows[0]["scores"]:
        ours = [row["scores"][key] for row in rows]
        theirs = [row["scores"][key] for row in base]
        error = None
        if min(len(ours), len(theirs)) > 1:
            error = round((stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs)) ** 0.5, 4)
        found[key] = {"mean": round(mean(ours) - mean(theirs), 4), "error": error}
    return found


def _spread(values: list[float]) -> float | None:
    return round(stdev(values), 4) if len(values) > 1 else None
