"""What strength ranks better than a global cosine: precision of the best pairs of all lists, and what it costs.

    python benchmarks/strength.py

Pairs of the exact top 20 of each note, best first by score and by strength (uninote/neighbours/background.py), a class in
common as truth: 8,000 images of Fashion-MNIST as pixels, and the emoji and the recipes below UNINOTE_DATA as texts by the
default encoder. The last line on stdout is one JSON object: the least difference of precision over all sets and shares, in
points [`strength_gain`], the least among the best 10 and 25 % of Fashion-MNIST, where scales differ [`strength_gain_best`],
CPU-seconds of backgrounds and strengths of 500,000 × 128 over those of the kernel's join of them in this run
[`strength_cost`], those of confidences over the same [`confidence_cost`], and `sets` with everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from neighbour_sets import vectors_of
from peers_environment import DATA
from real_notes import SETS
from real_notes import vectors_of as embedded

from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.features import features_of, gaps, mean_scores
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import kind_of, load_encoder
from uninote.neighbours.background import BACKGROUND_NOTES, Background, FlatScores, strengths
from uninote.neighbours.kernel.approximate import top_k
from uninote.notes.note import Note
from uninote.vectors.sampling import first_in_order

K = 20
SHARES = (0.1, 0.25, 0.5, 0.75)
IMAGES = 8_000
COST_DEPTH = 24  # entries that a join keeps of each list
COST_SET = "d"  # 500,000 x 128
BLOCK = 2_000


def exact_lists(vectors: np.ndarray) -> FlatScores:
    """Return the exact top K of all rows."""
    keys = np.empty((len(vectors), K), np.int64)
    scores = np.empty((len(vectors), K), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(block))
        block[rows, start + rows] = -np.inf
        best = np.argpartition(-block, K, axis=1)[:, :K]
        found = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-found, axis=1)
        keys[start : start + BLOCK] = np.take_along_axis(best, order, axis=1)
        scores[start : start + BLOCK] = np.take_along_axis(found, order, axis=1)
    return FlatScores(np.arange(len(vectors)), keys.ravel(), scores.ravel(), np.full(len(vectors), K))


def compared(vectors: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the precision of the best SHARES of all pairs, by score and by strength."""
    lists = exact_lists(vectors)
    sample = first_in_order(np.arange(len(vectors)), BACKGROUND_NOTES, seed=0)
    background = Background.of(sample, vectors[sample])
    by_strength = strengths(lists, background.of_rows(vectors), sample, K)
    agree = labels[np.repeat(lists.owners, K)] == labels[lists.keys]
    return {"score": _precision(lists.scores, agree), "strength": _precision(by_strength, agree), "notes": len(vectors)}


def _precision(values: np.ndarray, agree: np.ndarray) -> list[float]:
    ranked = agree[np.argsort(-values, kind="stable")]
    return [round(float(ranked[: int(share * len(ranked))].mean()), 4) for share in SHARES]


def texts_of(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors and classes of the notes of a folder that have one."""
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row.get("category")]
    checkpoint = e5_folder()
    encoder = load_encoder(checkpoint, kind_of(checkpoint), threads=1)
    notes = [Note(row["title"], row.get("body") or "", tuple(row.get("tags") or ())) for row in rows]
    return embedded(encoder, notes), np.array([row["category"] for row in rows])


def costs() -> dict[str, float]:
    """Return the CPU-seconds of strengths and of confidences of one table, over those of the join that makes its lists."""
    vectors = vectors_of(COST_SET, DATA)
    top_k(vectors[:20_000], COST_DEPTH)  # compiled
    joined, found = _timed(lambda: top_k(vectors, COST_DEPTH))
    lengths = (found.ids >= 0).sum(axis=1)
    lists = FlatScores(np.arange(len(vectors)), found.ids[found.ids >= 0], found.scores[found.ids >= 0], lengths)
    sample = first_in_order(np.arange(len(vectors)), BACKGROUND_NOTES, seed=0)

    def strengthen() -> np.ndarray:
        background = Background.of(sample, vectors[sample])
        return strengths(lists, background.of_rows(vectors), sample, K)

    strengthened, values = _timed(strengthen)
    curve = ConfidenceMap(
        (0.0,) * 4, (1.0,) * 4, (0.0, 1.0, 1.0, 1.0, 1.0), tuple(np.linspace(0, 1, 50)), tuple(np.linspace(0, 1, 50))
    )

    def judge() -> np.ndarray:
        means = mean_scores(lists.scores, lengths, K)
        return curve.of(features_of(values, lists.scores, means[lists.keys], gaps(lists.scores, lengths, K)))

    judged, _ = _timed(judge)
    return {"strength_cost": round(strengthened / joined, 3), "confidence_cost": round(judged / joined, 3)}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def main() -> None:
    """Compare on each set."""
    pictures = np.load(DATA / "fashion_mnist" / "fashion_mnist.npz")
    sets = {"fashion": compared(vectors_of("b", DATA)[:IMAGES], pictures["y_train"][:IMAGES])}
    for name in SETS:
        sets[name] = compared(*texts_of(DATA / name))
    gains = {}
    for name, found in sets.items():
        gains[name] = [100 * (ours - plain) for ours, plain in zip(found["strength"], found["score"], strict=True)]
    figures = {
        "strength_gain": round(min(map(min, gains.values())), 2),
        "strength_gain_best": round(min(gains["fashion"][:2]), 2),
        **costs(),
    }
    print(json.dumps(figures | {"sets": sets, "shares": SHARES}))


if __name__ == "__main__":
    main()
