"""What was measured of the configured model, as the report shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from uninote.pipelines.lake.run import Run
from uninote.report.data import Evaluation, StrategyScores

EVALUATION = "evaluation.json"  # beside the weights of a checkpoint that was measured where it was trained


def evaluation_path(run: Run) -> Path:
    """Return where the lake keeps what was measured of the configured model."""
    return Path(run.lake.uri(f"evaluations/{run.model.generation}.json"))


def evaluation_of(run: Run) -> Evaluation | None:
    """Return recall@10 of the model by search type and width, and of its baselines; null when nothing was measured."""
    found = _find(run)
    if found is None:
        return None
    model, *baselines = found["tables"]
    widths = set()
    strategies = {}  # a dictionary, since a set would not keep their order
    for score in model["scores"]:
        widths.add(score["width"])
        strategies[score["strategy"]] = True
    rows = []
    for strategy in strategies:
        rows.append(_row(model, baselines, strategy, sorted(widths)))
    names = tuple(table["name"] for table in baselines)
    return Evaluation(tuple(sorted(widths)), names, tuple(rows))


def _find(run: Run) -> dict[str, Any] | None:
    """Return what was measured of the configured model, in this lake or where it was trained; null when nothing was."""
    for path in (evaluation_path(run), run.model.folder / EVALUATION):
        if path.is_file():
            found: dict[str, Any] = json.loads(path.read_bytes())
            return found
    return None


def _row(model: dict[str, Any], baselines: list[dict[str, Any]], strategy: str, widths: list[int]) -> StrategyScores:
    known = []
    for width in widths:
        score = _score(model, strategy, width)
        if score is not None:
            known.append(score)
    others: list[float | None] = []
    for table in baselines:
        widest = max(score["width"] for score in table["scores"])
        score = _score(table, strategy, widest)
        others.append(None if score is None else float(score["recall_10"]))
    return StrategyScores(
        strategy,
        # Queries, gallery and chance are the same at every width; any known score has them.
        known[-1]["queries"],
        known[-1]["gallery"],
        known[-1]["chance"],
        tuple(score["recall_10"] for score in known),
        tuple(others),
    )


def _score(table: dict[str, Any], strategy: str, width: int) -> dict[str, Any] | None:
    for score in table["scores"]:
        if score["strategy"] == strategy and score["width"] == width:
            found: dict[str, Any] = score
            return found
    return None
