"""What was measured of the configured model, as the report shows it."""

from __future__ import annotations

import json
from typing import Any

from uninote.demo.workspace import demo_checkpoint
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.source.identity import may_hold_demo
from uninote.report.figures import Evaluation, OrderScores, StrategyScores
from uninote.storage import lake_files

RANKED = "note_to_note"  # the search type whose answers stand in an order
EVALUATION = "evaluation.json"  # beside the weights of a checkpoint that was measured where it was trained


def evaluation_path(run: Run) -> str:
    """Return where the lake keeps what was measured of the configured model."""
    return run.lake.uri(f"evaluations/{run.model.generation}.json")


def evaluation_of(run: Run) -> Evaluation | None:
    """Return recall@10 of the model by search type and width, and of its baselines, as measured on notes like the lake's.

    Null where nothing was: what a checkpoint says of other notes says nothing of these.
    """
    found, origin = _find(run)
    if found is None:
        return None
    model, *baselines = found["tables"]
    widths = set()
    # A dictionary, since a set would not keep their order.
    strategies = {}
    for score in model["scores"]:
        widths.add(score["width"])
        strategies[score["strategy"]] = True
    rows = []
    for strategy in strategies:
        rows.append(_row(model, baselines, strategy, sorted(widths)))
    names = tuple(table["name"] for table in baselines)
    return Evaluation(tuple(sorted(widths)), names, tuple(rows), origin, _orders(model, baselines, sorted(widths)))


def _find(run: Run) -> tuple[dict[str, Any] | None, str]:
    """Return what was measured of the configured model on this lake, or on the demo where this lake holds that; and where."""
    own = _read(evaluation_path(run))
    if own is not None:
        return own, "held-out notes of this lake, by jobs/evaluate.py"
    trained = _read(str(run.model.folder / EVALUATION))
    if trained is None:
        return None, ""
    if trained.get("lake_id") == run.lake_id:
        return trained, "held-out notes of this lake, where the model was trained on the others"
    if run.model.folder == demo_checkpoint() and may_hold_demo(run):
        return trained, "held-out notes of the demo corpus, on whose other notes this encoder was trained"
    return None, ""


def _read(path: str) -> dict[str, Any] | None:
    text = lake_files.read_or_none(path)
    return None if text is None else dict(json.loads(text))


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


def _orders(model: dict[str, Any], baselines: list[dict[str, Any]], widths: list[int]) -> tuple[OrderScores, ...]:
    """Return how notes are ranked: by the model at each width, and by each baseline at its widest."""
    found = []
    for width in widths:
        found.append((f"w{width}", _score(model, RANKED, width)))
    for table in baselines:
        widest = max(score["width"] for score in table["scores"])
        found.append((table["name"], _score(table, RANKED, widest)))
    orders = []
    for name, score in found:
        if score is not None:
            orders.append(OrderScores(name, score["precision_1"], score["ndcg_10"], score["tau"]))
    return tuple(orders)


def _score(table: dict[str, Any], strategy: str, width: int) -> dict[str, Any] | None:
    for score in table["scores"]:
        if score["strategy"] == strategy and score["width"] == width:
            found: dict[str, Any] = score
            return found
    return None
