"""What was measured of the configured model, as the report shows it."""

from __future__ import annotations

from typing import Any

from uninote.pipelines.evaluate import find_evaluation
from uninote.pipelines.run import Run
from uninote.report.data import Evaluation, StrategyScores


def evaluation_of(run: Run) -> Evaluation | None:
    """Return recall@10 of the model by search type and width, and of its baselines; null when nothing was measured."""
    found = find_evaluation(run)
    if found is None:
        return None
    model, *baselines = found["tables"]
    widths = sorted({score["width"] for score in model["scores"]})
    strategies = list(dict.fromkeys(score["strategy"] for score in model["scores"]))
    rows = tuple(_row(model, baselines, strategy, widths) for strategy in strategies)
    return Evaluation(tuple(widths), tuple(table["name"] for table in baselines), rows)


def _row(model: dict[str, Any], baselines: list[dict[str, Any]], strategy: str, widths: list[int]) -> StrategyScores:
    own = [_score(model, strategy, width) for width in widths]
    others = [_score(table, strategy, max(one["width"] for one in table["scores"])) for table in baselines]
    known = [score for score in own if score is not None]
    return StrategyScores(
        strategy,
        known[-1]["queries"],
        known[-1]["gallery"],
        known[-1]["chance"],
        tuple(score["recall_10"] for score in known),
        tuple(None if score is None else float(score["recall_10"]) for score in others),
    )


def _score(table: dict[str, Any], strategy: str, width: int) -> dict[str, Any] | None:
    found = (score for score in table["scores"] if (score["strategy"], score["width"]) == (strategy, width))
    return next(found, None)
