"""What an arm is measured by: the search types, note to note by texts or images alone, and the neighbours of all notes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uninote.evaluation.agreement import Facts, pairs_of, shares_of_chance, shares_of_scores
from uninote.evaluation.baselines import VIEWS
from uninote.evaluation.retrieval import evaluate
from uninote.evaluation.tables import Table
from uninote.media.images import Reduced
from uninote.model.encoder import Encoder, load_encoder
from uninote.notes.note import Note, NoteImage
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.strategies import Strategy

K = 20
PORTION = 256


class CachedSet(TrainingSet):
    """A training set whose images stay decoded in memory: an arm sees each some dozens of times."""

    @cached_property
    def _decoded(self) -> dict[str, Image.Image]:
        return {}

    def reduced_images(self, note: Note, reduce: Callable[[Image.Image], Reduced]) -> list[Reduced]:
        found = []
        for image in note.images:
            if image.uri not in self._decoded:
                self._decoded[image.uri] = self._images.image(image.uri, lambda one: one.copy())
            found.append(reduce(self._decoded[image.uri]))
        return found


class ListsAlone(CachedSet):
    """The same with ranked lists alone."""

    def strategies(self, split: str) -> tuple[Strategy, ...]:
        return ()


def measures(checkpoint: Path, data: CachedSet, notes: Path | None) -> dict[str, Any]:
    """Return R@10 by strategy and width; with the demo's `notes`, how often neighbours share a topic too, and more."""
    encoder = load_encoder(checkpoint, threads=1, dtype="float32")
    found = _short(evaluate("arm", encoder, data))
    if notes is None:
        return found
    lists = ListsAlone(data.folder)
    lists.__dict__["_decoded"] = data._decoded
    for name in ("text_only", "image_only"):
        table = evaluate(name, encoder, lists, (encoder.full_width,), VIEWS[name])
        found |= {f"{name} {key}": value for key, value in _short(table).items()}
    return found | neighbours(encoder, data, notes)


def _short(table: Table) -> dict[str, float]:
    found = {}
    for one in table.scores:
        found[f"{one.strategy}@{one.width}"] = round(one.recall_10, 4)
        if one.ndcg_10 is not None:
            order = {"P@1": one.precision_1, "R@1": one.recall_1, "NDCG": one.ndcg_10, "tau": one.tau}
            found |= {f"{one.strategy} {key}@{one.width}": round(value or 0.0, 4) for key, value in order.items()}
    return found


def neighbours(encoder: Encoder, data: CachedSet, path: Path) -> dict[str, float | None]:
    """Return the shares of `agreement.Shares` over all notes of the demo, by its known topics, and those of chance."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    vectors = []
    for start in range(0, len(rows), PORTION):
        prepared = []
        for row in rows[start : start + PORTION]:
            images = tuple(NoteImage(digest, ocr) for digest, ocr in row["images"])
            note = Note(row["title"], row["body"], tuple(row["topics"]), images)
            prepared.append(encoder.prepare(note, data.reduced_images(note, encoder.fit)))
        vectors.append(encoder.embed(prepared))
    joined = np.concatenate(vectors)
    ids = [row["note_id"] for row in rows]
    labels = {row["note_id"]: frozenset([row["topic"]]) for row in rows}
    facts = Facts({row["note_id"]: row["group"] for row in rows}, {row["note_id"]: row["language"] for row in rows})
    pairs = pairs_of(ids, len(ids), labels, facts)
    found = shares_of_scores(joined @ joined.T, pairs, K)
    chance = shares_of_chance(pairs)
    return {
        "first": found.first, "all 20": found.every, "distinct": found.first_distinct, "abroad": found.first_abroad,
        "chance": chance.first, "chance abroad": chance.first_abroad,
    }  # fmt: skip
