"""Ways to train, held against each other: arms alike but for one thing, over seeds, measured on the same held-out notes.

    python benchmarks/learning.py
    python benchmarks/learning.py --arms NAME ... --data SET --start CHECKPOINT [--steps N]

With nothing on its line: soft labels of the default text encoder against InfoNCE, with hard negatives and without, on the
emoji below UNINOTE_DATA, three seeds of each arm, from a model that InfoNCE trained before: some 27 CPU-minutes. Arms are
in learning_arms.py; those of the demo need SET, which conf/train_demo.yaml makes in its lake, and where they start.
results.jsonl in `work` has a line for each arm and seed that is done; a later run goes on from there. No lake, no Spark, one
thread. The last line on stdout is one JSON object: `arms` with mean and standard deviation of each score,
and `differences` of an arm to the one that it is held against.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from learning_arms import APART, ARMS, COMPARED, EMOJI, EMOJI_REPLACED, EMOJI_SETS, Arm, Stage
from learning_measures import CachedSet, measures
from learning_notes import write_emoji_notes
from learning_set import write_apart, write_facts
from learning_summary import summary
from learning_teacher import write_taught_emoji
from peers_environment import DATA

from uninote.demo.workspace import EDITION
from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.training.dataset.schemas import TRAIN
from uninote.training.settings import TrainConfig
from uninote.training.trainer import train

BASE = TrainConfig(
    batch=64, keep_graphs=True, augment=True, learning_rate=5e-4, checkpoint_every=25, stored_dtype="bfloat16"
)
STEPS = 60
HOME = Path(__file__).parents[1] / ".uninote"
RESULTS = "results.jsonl"
FACTS = "notes.jsonl"


# The common start of arms on emoji: past where a new model's vectors all point one way.
EMOJI_START = {"learning_rate": 1e-3, "steps": 200, "seed": 100, "contrastive": {"negatives": 0}}


@dataclass(frozen=True)
class Place:
    """Where arms work, where the demo's set, its corpus and the emoji are, where arms of the demo start, for how many steps."""

    work: Path
    data: Path | None
    start: Path | None
    demo: Path
    emoji: Path
    steps: int

    def set_of(self, arm: Arm) -> Path:
        """Return the folder of the arm's training set; what is not there yet of the sets made here is made."""
        folder = self.work / arm.data
        if arm.data in EMOJI_SETS:
            if not folder.exists():
                self._write_emoji(folder)
            return folder
        if self.data is None:
            raise SystemExit(
                "this arm trains on the demo: name its training set with --data and where to start with --start"
            )
        if arm.data == APART and not folder.exists():
            write_apart(folder, self.data)
        return folder if arm.data == APART else self.data

    def facts_of(self, arm: Arm) -> Path | None:
        """Return the file of what is known of the demo's notes, null for emoji."""
        path = self.work / FACTS
        if arm.data in EMOJI_SETS:
            return None
        if not path.exists():
            write_facts(path, self.demo)
        return path

    def _write_emoji(self, folder: Path) -> None:
        if folder.name == EMOJI:
            write_taught_emoji(folder, self.emoji)
        else:
            write_emoji_notes(folder, self.emoji, folder.name == EMOJI_REPLACED)


def run(place: Place, name: str, seed: int, steps: int) -> dict[str, Any]:
    """Train and measure one arm; a killed one goes on from its newest state."""
    arm = ARMS[name]
    folder = place.work / "runs" / f"{name.replace(' ', '-')}-{seed}-{steps}"
    data = CachedSet(place.set_of(arm))
    checkpoint = _start(place, arm)
    began = time.process_time()
    losses = []
    for number, stage in enumerate(arm.stages):
        config = _config(stage, seed, max(1, round(stage.share * steps)))
        done = train(checkpoint, data, folder / f"stage{number}", config)
        checkpoint = done.checkpoint
        losses.append(done.loss)
    spent = round(time.process_time() - began)
    scores = measures(checkpoint, data, place.facts_of(arm))
    return {"arm": name, "seed": seed, "steps": steps, "cpu_seconds": spent, "losses": losses, "scores": scores}


def _start(place: Place, arm: Arm) -> Path:
    """Return the common start: for emoji a model that a few steps of InfoNCE trained, or a new one."""
    if arm.data not in EMOJI_SETS:
        if place.start is None:
            raise SystemExit("this arm goes on from a checkpoint: name it with --start")
        return place.start
    data = CachedSet(place.set_of(ARMS["InfoNCE"]))
    new = place.work / "new"
    if not new.exists():
        rows = [row for row in data.rows() if row["split"] == TRAIN]
        make_trainable_checkpoint(new, [" ".join([row["title"] or "", *(row["topics"] or ())]) for row in rows])
    if arm.is_new:
        return new
    config = TrainConfig.model_validate(BASE.model_dump() | EMOJI_START)
    return train(new, data, place.work / "begun", config).checkpoint


def _config(stage: Stage, seed: int, steps: int) -> TrainConfig:
    values = BASE.model_dump() | stage.changes | {"seed": seed, "steps": steps}
    values["contrastive"] = values["contrastive"] | stage.contrastive
    return TrainConfig.model_validate(values)


def _results(folder: Path) -> list[dict[str, Any]]:
    path = folder / RESULTS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run the arms that are missing, and print what all of them found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=HOME / "learning")
    parser.add_argument("--data", type=Path, help="the training set of arms of the demo")
    parser.add_argument("--start", type=Path, help="the checkpoint that arms of the demo start at")
    parser.add_argument("--demo", type=Path, default=HOME / "demo" / f"corpus-3000-7-{EDITION}")
    parser.add_argument("--emoji", type=Path, default=DATA / "emoji_multilingual")
    parser.add_argument("--arms", nargs="*", default=[*dict.fromkeys([*COMPARED.values(), *COMPARED])])
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = Place(options.work, options.data, options.start, options.demo, options.emoji, options.steps)
    place.work.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(options.arms, options.steps)
    known = {(row["arm"], row["seed"], row["steps"]) for row in _results(place.work)}
    for name, seed, steps in wanted:
        if (name, seed, steps) not in known:
            row = run(place, name, seed, steps)
            with (place.work / RESULTS).open("a") as lines:
                lines.write(json.dumps(row) + "\n")
    print(json.dumps(summary(row for row in _results(place.work) if (row["arm"], row["seed"], row["steps"]) in wanted)))


def _wanted(names: Sequence[str], steps: int) -> list[tuple[str, int, int]]:
    """Return name, seed and steps of what is run: all arms with their first seed, then with the next."""
    found = []
    for seed in range(max(ARMS[name].seeds for name in names)):
        for name in names:
            if seed < ARMS[name].seeds:
                found.append((name, seed, (ARMS[name].steps or steps) if ARMS[name].stages else 0))
    return found


if __name__ == "__main__":
    main()
