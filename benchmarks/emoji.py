"""Real bilingual emoji, trained from scratch on one thread: what is found of 240 held out, and what helps.

One long run (seed 0); a shorter one with images and texts shuffled, but not the texts of two languages; and short arms
that go on from the long run's checkpoint, each with every seed: plain, with hard negatives, with the query image left
in its note, with it replaced, and stage 2. Every figure is on the held-out emoji; chance of R@10 is 4.2 %.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
from emoji_set import Variant, read_emoji, texts_of, write_emoji_set

from uninote.evaluation.baselines import evaluate_views
from uninote.evaluation.retrieval import evaluate
from uninote.evaluation.tables import Table
from uninote.model.encoder import load_encoder
from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.training.dataset import TrainingSet
from uninote.training.from_notes.mining import Composites, mine
from uninote.training.from_notes.negatives import Window
from uninote.training.settings import ContrastiveConfig, RankingConfig, TrainConfig
from uninote.training.trainer import train

PAIRS = ("image_to_text", "text_to_image")
MAIN = TrainConfig(
    contrastive=ContrastiveConfig(tau=0.05, strategies=(*PAIRS, "text_to_note")),
    steps=480,
    batch=128,
    keep_graphs=True,
    dtype="bfloat16",
    augment=True,
    learning_rate=1e-3,
    checkpoint_every=50,
    chunk_tokens=2048,
)
ARM = {"learning_rate": 2e-4, "batch": 64}
STRATEGIES = ("image_to_text", "text_to_image", "text_to_note", "note_to_text", "image_to_note")


def measure_emoji(source: Path, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return all tables. Runs found in `work` go on; finished ones are only measured."""
    work.mkdir(parents=True, exist_ok=True)
    rows, held = read_emoji(source)
    make_trainable_checkpoint(work / "start", texts_of(rows, held))
    plain = _set(work / "plain", source, Variant())
    config = MAIN.model_copy(update={"steps": options.steps})
    main = _run(work / f"main{options.steps}", work / "start", plain, config)
    found: dict[str, Any] = {"untrained": _table(work / "start", plain), "main": main}
    checkpoint = work / f"main{options.steps}" / "checkpoint"
    encoder = load_encoder(checkpoint, threads=1)
    found["views"] = {table.name: _short(table) for table in evaluate_views(encoder, plain, (encoder.full_width,))}
    shuffled = _set(work / "shuffled", source, Variant(shuffled=True))
    fewer = config.model_copy(update={"steps": options.shuffled_steps})
    found["shuffled"] = _run(work / "run-shuffled", work / "start", shuffled, fewer)
    arms = _arms(work, source, plain, checkpoint)
    found["arms"] = {name: _repeated(work, name, checkpoint, arm, options) for name, arm in arms.items()}
    return found


def _arms(work: Path, source: Path, plain: TrainingSet, checkpoint: Path) -> dict[str, tuple[TrainingSet, TrainConfig]]:
    base = MAIN.model_copy(update=ARM)
    pairs = base.model_copy(update={"contrastive": ContrastiveConfig(strategies=PAIRS, negatives=2)})
    notes = base.model_copy(update={"contrastive": ContrastiveConfig(strategies=("image_to_note",))})
    hard = _set(work / "hard", source, Variant(negatives=_mined(plain, checkpoint)))
    kept = _set(work / "kept", source, Variant(replaced=False))
    ranking = base.model_copy(update={"stage": "ranking", "batch": 8, "learning_rate": 2e-5, "augment": False})
    ranking = ranking.model_copy(update={"ranking": RankingConfig(group=12)})
    return {
        "plain": (plain, pairs),
        "hard_negatives": (hard, pairs),
        "modal_kept": (kept, notes),
        "modal_replaced": (plain, notes),
        "stage_two": (plain, ranking),
    }


def _repeated(
    work: Path, name: str, checkpoint: Path, arm: tuple[TrainingSet, TrainConfig], options: argparse.Namespace
) -> dict[str, Any]:
    data, config = arm
    tables = []
    for seed in range(options.seeds):
        changed = config.model_copy(update={"seed": seed, "steps": options.ablation_steps})
        tables.append(_run(work / f"{name}-{seed}", checkpoint, data, changed)["recall_10"])
    found = {
        key: [round(mean(values), 3), round(pstdev(values), 3)]
        for key in tables[0]
        for values in [[table[key] for table in tables]]
    }
    return {"steps": options.ablation_steps, "mean_and_spread": found}


def _run(folder: Path, start: Path, data: TrainingSet, config: TrainConfig) -> dict[str, Any]:
    started = time.process_time()
    done = train(start, data, folder, config)
    spent = folder / "cpu_seconds.json"
    if done.loss is not None:
        spent.write_text(json.dumps(time.process_time() - started))
    return {"steps": done.steps, "cpu_seconds": round(json.loads(spent.read_text())), **_table(done.checkpoint, data)}


def _table(checkpoint: Path, data: TrainingSet) -> dict[str, Any]:
    return {"recall_10": _short(evaluate("emoji", load_encoder(checkpoint, threads=1), data))}


def _short(table: Table) -> dict[str, float]:
    found = {
        f"{one.strategy}@{one.width}": round(one.recall_10, 3) for one in table.scores if one.strategy in STRATEGIES
    }
    for one in table.scores:
        if one.ndcg_10 is not None and one.precision_1 is not None and one.tau is not None:
            told = {"precision_1": one.precision_1, "recall_5": one.recall_5, "ndcg_10": one.ndcg_10, "tau": one.tau}
            found |= {f"note_to_note {name}@{one.width}": round(value, 3) for name, value in told.items()}
    return found


def _set(folder: Path, source: Path, variant: Variant) -> TrainingSet:
    if not (folder / "manifest.json").exists():
        write_emoji_set(folder, source, variant)
    return TrainingSet(folder)


def _mined(data: TrainingSet, checkpoint: Path) -> dict[int, list[int]]:
    """Return hard negatives among English texts of the training split, by the long run's own similarity."""
    examples = data.examples(next(s for s in data.strategies("train") if s.value == "image_to_text"), "train")
    items = np.unique(examples.candidates[:, 0])
    encoder = load_encoder(checkpoint, threads=1)
    vectors = encoder.embed([encoder.prepare(data.note(int(item)), []) for item in items])
    marks = items.astype(np.int64)
    texts = Composites.of(marks, data.groups[items], marks, [[row] for row in range(len(items))])
    mined = mine(texts, np.full(len(items), np.inf), texts, vectors, Window(count=2))
    return {int(item): mined.of(row)[0].tolist() for row, item in enumerate(items)}
