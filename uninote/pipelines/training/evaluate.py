"""The evaluate job: any encoder on the held-out part of any lake's training set, every strategy at every width."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from uninote.errors import UninoteError
from uninote.evaluation.baselines import evaluate_views
from uninote.evaluation.left_out import left_out
from uninote.evaluation.retrieval import evaluate, evaluate_words
from uninote.evaluation.tables import Table
from uninote.model.encoder import Arithmetic, Encoder, load_in_layout
from uninote.pipelines.lake.encoders import require_encoder
from uninote.pipelines.lake.generations import ModelFolder
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.training.scores import evaluation_path
from uninote.pipelines.training.training_set import training_set
from uninote.storage import lake_files
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.strategies import Strategy

STAGE = "evaluate"


def evaluate_model(run: Run) -> dict[str, Any]:
    """Measure the configured model, and the same shown less, and write `evaluations/<generation>.json` into the lake."""
    started = time.time()
    data = training_set(run)
    encoder = encoder_of(run.model)
    reasons = left_out(data, encoder.sees_images)
    _say_reasons(reasons)
    tables = measure(encoder, data, "model", views=True)
    path = evaluation_path(run)
    write_evaluation(path, data, tables, run.lake_id)
    record(run, STAGE, "all", Outcome("done", {"scores": len(tables[0].scores)}), started)
    return {
        "state": "done",
        "tables": {},
        "evaluation": path,
        "recall_at_10": tables[0].recalls_at_10(),
        "left_out": reasons,
    }


def _say_reasons(reasons: dict[str, str]) -> None:
    """Say which search types are left out, those with one reason together. Raises UninoteError where none is left."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    lines = []
    for reason, alike in names.items():
        lines.append(f"{', '.join(alike)}: {reason}")
    if len(reasons) == len(Strategy):
        raise UninoteError(f"no search type can be measured ({'; '.join(lines)})")
    for line in lines:
        say(f"evaluate: left out {line}")


def encoder_of(model: ModelFolder) -> Encoder:
    """Return the configured model, loaded, in layout and depth of its generation. Raises ConfigError where there is none."""
    require_encoder(model)
    return load_in_layout(model.folder, model.kind, model.layout, Arithmetic(layers=model.layers), model.limits)


def measure(encoder: Encoder, data: TrainingSet, name: str, views: bool = False) -> list[Table]:
    """Return the table of one encoder, and with `views` those of TF-IDF and of the same encoder shown less."""
    say(f"evaluate: {name}")
    found = [evaluate(name, encoder, data)]
    if views and (words := evaluate_words(data)).scores:
        found.append(words)
    if views and encoder.sees_images:
        found += evaluate_views(encoder, data)
    return found


def write_evaluation(path: str, data: TrainingSet, tables: Sequence[Table], lake_id: str) -> None:
    """Write tables as JSON, with what they were measured on: the set, and the lake that it was made of."""
    values = {
        "lake_id": lake_id,
        "set": data.digest,
        "counts": data.manifest["counts"],
        "tables": [table.as_json() for table in tables],
    }
    lake_files.write(path, (json.dumps(values, indent=2) + "\n").encode())
