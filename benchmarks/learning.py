"""What helps the demo's encoder: arms trained alike but for one thing, measured on the same held-out notes.

    python benchmarks/learning.py --work FOLDER --data SET --start CHECKPOINT [--emoji FOLDER] [--arms NAME ...] [--steps N]

SET is the training set that conf/train_demo_notes.yaml made in its lake. Arms are in learning_arms.py. results.jsonl in `work`
has a line for each arm and seed that is done; a later run goes on from there. No lake, no Spark, one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from learning_arms import APART, ARMS, EMOJI, WHOLE, Arm, Stage
from learning_measures import CachedSet, measures
from learning_set import write_apart, write_facts
from learning_teacher import write_taught_emoji

from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import TRAIN
from uninote.training.settings import TrainConfig
from uninote.training.trainer import train

BASE = TrainConfig(
    batch=64, keep_graphs=True, augment=True, learning_rate=5e-4, checkpoint_every=25, stored_dtype="bfloat16"
)
STEPS = 120
RESULTS = "results.jsonl"
FACTS = "notes.jsonl"


@dataclass(frozen=True)
class Place:
    """Where arms work, and what they share: the demo's set, the checkpoint that they start at, and how long they go on."""

    work: Path
    data: Path
    start: Path
    steps: int


def prepare(place: Place, options: argparse.Namespace) -> None:
    """Make what is not there of the sets."""
    place.work.mkdir(parents=True, exist_ok=True)
    if not (place.work / FACTS).exists():
        write_facts(place.work / FACTS, options.demo)
    if not (place.work / APART).exists():
        write_apart(place.work / APART, place.data)
    if options.emoji and not (place.work / EMOJI).exists():
        write_taught_emoji(place.work / EMOJI, options.emoji)


def run(place: Place, name: str, seed: int) -> dict[str, Any]:
    """Train and measure one arm; a killed one goes on from its newest state."""
    arm = ARMS[name]
    folder = place.work / "runs" / f"{name.replace(' ', '-')}-{seed}-{place.steps}"
    data = CachedSet(place.data if arm.data == WHOLE else place.work / arm.data)
    checkpoint = _start(place, arm, folder / "start", data)
    began = time.process_time()
    losses = []
    for number, stage in enumerate(arm.stages):
        config = _config(stage, seed, max(1, round(stage.share * place.steps)))
        done = train(checkpoint, data, folder / f"stage{number}", config)
        checkpoint = done.checkpoint
        losses.append(done.loss)
    spent = round(time.process_time() - began)
    scores = measures(checkpoint, data, None if arm.data == EMOJI else place.work / FACTS)
    row = {"arm": name, "seed": seed, "steps": place.steps if arm.stages else 0, "cpu_seconds": spent}
    return row | {"losses": losses, "scores": scores}


def _start(place: Place, arm: Arm, folder: Path, data: TrainingSet) -> Path:
    """Return the common start; for emoji a new model."""
    if arm.data != EMOJI:
        return place.start
    rows = [row for row in data.rows() if row["split"] == TRAIN]
    make_trainable_checkpoint(folder, [" ".join([row["title"] or "", *(row["topics"] or ())]) for row in rows])
    return folder


def _config(stage: Stage, seed: int, steps: int) -> TrainConfig:
    values = BASE.model_dump() | stage.changes | {"seed": seed, "steps": steps}
    values["contrastive"] = values["contrastive"] | stage.contrastive
    return TrainConfig.model_validate(values)


def _results(folder: Path) -> list[dict[str, Any]]:
    path = folder / RESULTS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run the arms that are missing, and print all results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the training set")
    parser.add_argument("--start", type=Path, required=True, help="the checkpoint that arms of the demo start at")
    parser.add_argument("--demo", type=Path, default=Path(".uninote/demo/corpus-3000-7"))
    parser.add_argument("--emoji", type=Path, help="the folder of emoji_multilingual, which arms on emoji need")
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = Place(options.work, options.data, options.start, options.steps)
    prepare(place, options)
    known = {(row["arm"], row["seed"], row["steps"]) for row in _results(options.work)}
    for name in options.arms:
        for seed in range(ARMS[name].seeds):
            if (name, seed, options.steps if ARMS[name].stages else 0) not in known:
                row = run(place, name, seed)
                with (options.work / RESULTS).open("a") as lines:
                    lines.write(json.dumps(row) + "\n")
    for row in _results(options.work):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
