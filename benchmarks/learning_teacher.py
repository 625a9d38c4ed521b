"""Real bilingual emoji with a real teacher's scores: e5 scores every pair, and finds hard negatives in a window of quantiles.

An image stands in by its English label, since the teacher reads texts alone. 240 emoji are held out; skin tones are left out.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from emoji_set import read_emoji
from PIL import Image

from uninote.media.images import to_image
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import load_encoder
from uninote.notes.note import Note
from uninote.training.dataset.schemas import EVAL, TRAIN
from uninote.training.dataset.writer import write_training_set
from uninote.training.from_notes.mining import Composites, mine
from uninote.training.from_notes.negatives import Window

SIDE, MAX_PIXELS, QUALITY = 64, 1_000_000, 88
WINDOW = (0.5, 0.95)  # quantiles of a pool's scores
NEGATIVES = 8
PAIRS = (
    ("image_to_text", "image", "english"), ("image_to_text", "image", "chinese"), ("text_to_image", "english", "image"),
    ("text_to_note", "chinese", "note"), ("note_to_text", "note", "chinese"),
)  # fmt: skip
Row = dict[str, Any]


def write_taught_emoji(folder: Path, source: Path) -> None:
    """Write the set, with scores and negatives in its training split."""
    rows, held = read_emoji(source)
    whole = [row for row in rows if not row["base_id"] and row["title_zh"]]
    tables: dict[str, list[Row]] = {"items": [], "images": [], "examples": [], "ranked": []}
    numbers = []
    for group, row in enumerate(whole):
        shared = {"note_id": row["item_id"], "group": group, "split": EVAL if row["item_id"] in held else TRAIN}
        numbers.append(_add_items(tables, row, shared, source))
    vectors = _vectors(whole)
    for strategy, query, target in PAIRS:
        for split in (TRAIN, EVAL):
            own = [place for place, row in enumerate(whole) if (row["item_id"] in held) == (split == EVAL)]
            if split == TRAIN or target != "chinese" or query == "note":
                tables["examples"] += _examples((strategy, query, target), split, own, numbers, vectors)
    write_training_set(folder, tables, {"counts": {}, "source": "emoji_multilingual, scored by e5"})


def _add_items(tables: dict[str, list[Row]], row: Row, shared: Row, source: Path) -> dict[str, int]:
    name = row["images"][0]
    tables["images"].append(small_image(source, name))
    english = {"title": row["title"], "topics": row["tags"]}
    contents = {
        "image": ("image", {"images": [{"digest": name, "ocr": ""}]}),
        "english": ("text", english),
        "chinese": ("text", {"title": row["title_zh"], "topics": row["tags_zh"]}),
        "note": ("note", english),
    }
    found = {}
    for key, (kind, content) in contents.items():
        found[key] = len(tables["items"])
        tables["items"].append({"item": found[key], "kind": kind, "images": [], **shared, **content})
    return found


def small_image(source: Path, name: str) -> Row:
    """Return a row of `schemas.IMAGES` with a small copy of an emoji's picture, by its file's name."""
    image = to_image((source / name).read_bytes(), MAX_PIXELS).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return {"digest": name, "content": buffer.getvalue()}


def _vectors(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Return the teacher's vectors of each sort of item, float32 (rows, width)."""
    encoder = load_encoder(e5_folder(), "sentence-transformers", threads=1)
    english = [Note(row["title"], topics=tuple(row["tags"])) for row in rows]
    notes = {
        "image": [Note(row["title"]) for row in rows],
        "english": english,
        "note": english,
        "chinese": [Note(row["title_zh"], topics=tuple(row["tags_zh"])) for row in rows],
    }
    return {key: encoder.embed([encoder.prepare(note, []) for note in found]) for key, found in notes.items()}


def _examples(
    pair: tuple[str, str, str],
    split: str,
    own: Sequence[int],
    numbers: Sequence[dict[str, int]],
    vectors: dict[str, np.ndarray],
) -> list[Row]:
    strategy, query, target = pair
    joined = np.concatenate([vectors[query][own], vectors[target][own]])
    scores = joined[: len(own)] @ joined[len(own) :].T
    low, high = np.quantile(scores, WINDOW)
    places = np.arange(len(own))
    marks = np.array([numbers[place]["image"] for place in own])
    targets = np.array([numbers[place][target] for place in own])
    queries = Composites.of(marks, places, marks, [[row] for row in places])
    pool = Composites.of(targets, places, targets, [[len(own) + row] for row in places])
    mined = mine(queries, scores.diagonal(), pool, joined, Window(float(low), float(high), count=NEGATIVES))
    rows = []
    for row, place in enumerate(own):
        negatives, their = mined.of(row)
        taught: Row = {"negatives": [], "negative_scores": []}
        if split == TRAIN:
            taught = {"negatives": negatives.tolist(), "negative_scores": their.tolist()}
        ends = {"query": numbers[place][query], "positive": numbers[place][target]}
        rows.append({"strategy": strategy, "split": split, "positive_score": float(scores[row, row]), **ends, **taught})
    return rows
