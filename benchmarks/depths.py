"""A model trained to stop after fewer layers, against the same one trained without: what each depth finds and takes.

    python benchmarks/depths.py

Two models of three text layers are trained from scratch on Chinese labels and English notes of the emoji below UNINOTE_DATA,
or in the folder that is named: one at `depths` as well, and both are cut to each depth. Found: R@10 from Chinese label to
English note among 240 held out (chance 0.042), and CPU-seconds of a thousand notes. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from emoji_set import Row, read_emoji, texts_of
from peers_environment import DATA

from uninote.evaluation.retrieval import evaluate
from uninote.model.encoder import UNINOTE, Arithmetic, Encoder, load_in_layout
from uninote.model.qwen.files.checkpoint import read_card, write_card
from uninote.model.qwen.trainable import Shape, make_trainable_checkpoint
from uninote.notes.note import Note
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.writer import write_training_set
from uninote.training.settings import ContrastiveConfig, TrainConfig
from uninote.training.trainer import train

DEPTHS = ((1, 64), (2, 128))
LAYERS = 3
ROUNDS = 3


def write_labels(folder: Path, rows: list[Row], held: set[str]) -> None:
    """Write the labels of emoji as a training set: each Chinese one with the note of the English one, no images."""
    items, examples = [], []
    for group, row in enumerate(row for row in rows if row["title_zh"]):
        split = "eval" if row["item_id"] in held else "train"
        shared = {"note_id": row["item_id"], "group": group, "split": split, "images": []}
        items.append({"item": 2 * group, "kind": "text", "title": row["title_zh"], "topics": row["tags_zh"]} | shared)
        items.append({"item": 2 * group + 1, "kind": "note", "title": row["title"], "topics": row["tags"]} | shared)
        pair = {"query": 2 * group, "positive": 2 * group + 1, "negatives": [], "split": split}
        examples.append({"strategy": "text_to_note", **pair})
    write_training_set(folder, {"items": items, "images": [], "examples": examples})


def arm(folder: Path, data: TrainingSet, depths: tuple[tuple[int, int], ...], steps: int) -> dict[str, Any]:
    """Train one model, and return its seconds and what is found at each depth."""
    contrastive = ContrastiveConfig(tau=0.05, strategies=("text_to_note",))
    config = TrainConfig(contrastive=contrastive, steps=steps, batch=64, keep_graphs=True, depths=depths)
    started = time.process_time()
    checkpoint = train(folder / "start", data, folder / f"run{len(depths)}", config).checkpoint
    found: dict[str, Any] = {"train_cpu_s": round(time.process_time() - started, 1)}
    # The one that was trained without is cut to the same layers, which it does not declare.
    write_card(checkpoint, replace(read_card(checkpoint), depths=DEPTHS))
    notes = [data.note(int(item)) for item in data.examples(next(iter(data.strategies("eval"))), "eval").queries]
    for layers in (*dict(DEPTHS), None):
        encoder = load_in_layout(checkpoint, UNINOTE, None, Arithmetic(threads=1, device="cpu", layers=layers))
        recalls = {}
        for score in evaluate("depths", encoder, data).scores:
            if score.strategy == "text_to_note":
                recalls[score.width] = round(score.recall_10, 3)
        found[f"layers_{layers or LAYERS}"] = {"recall_10": recalls, "s_per_1000_notes": _seconds(encoder, notes)}
    return found


def _seconds(encoder: Encoder, notes: list[Note]) -> float:
    prepared = [encoder.prepare(note, []) for note in notes]
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        encoder.embed(prepared)
        taken.append(time.process_time() - started)
    return round(1000 * median(taken) / len(prepared), 3)


def main() -> None:
    """Train and measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emoji", type=Path, nargs="?", default=DATA / "emoji_multilingual")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows, held = read_emoji(options.emoji)
        make_trainable_checkpoint(folder / "start", texts_of(rows, held), shape=Shape(text_layers=LAYERS))
        write_labels(folder / "set", rows, held)
        data = TrainingSet(folder / "set")
        found = {"depths": arm(folder, data, DEPTHS, options.steps), "without": arm(folder, data, (), options.steps)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
