"""The sets of learning.py, made of the one that conf/train_demo.yaml trains on, and what is known of the demo's notes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from uninote.demo.corpus import read_rows
from uninote.media.images import ImageError, to_image
from uninote.training.dataset.strategies import Strategy

MAX_PIXELS = 1_000_000
ENDS = ("strategy", "query", "positive")
Row = dict[str, Any]


def write_apart(folder: Path, whole: Path) -> None:
    """Copy a training set without the pairs of halves that share images; the copy points to the images of `whole`."""
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("images", "examples"))
    (folder / "images").symlink_to((whole / "images").resolve())
    items = pq.read_table(whole / "items", columns=["item", "images"]).to_pylist()
    shown = {row["item"]: {image["digest"] for image in row["images"] or ()} for row in items}
    examples = pq.read_table(whole / "examples")
    kept = []
    for strategy, query, positive in zip(*(examples[name].to_pylist() for name in ENDS), strict=True):
        kept.append(strategy != Strategy.NOTE_TO_NOTE.value or not shown[query] & shown[positive])
    (folder / "examples").mkdir()
    pq.write_table(examples.filter(kept), folder / "examples" / "part-00000.parquet")


def write_facts(path: Path, demo: Path) -> None:
    """Write the sound notes of a demo corpus as JSON Lines, with topic, language and the original of a duplicate."""
    known = {row["note_id"]: row for row in read_rows(demo / "truth.jsonl")}
    with path.open("w") as lines:
        for row in read_rows(demo / "items.jsonl"):
            images = list(_sound_images(demo, row["images"] or ()))
            if not (row["title"] or row["body"] or row["topics"] or images):
                continue
            own = known[row["note_id"]]
            texts = {"title": row["title"] or "", "body": row["body"] or "", "topics": row["topics"] or []}
            facts = {"topic": own["topic"], "language": row["language"], "group": own["duplicate_of"] or row["note_id"]}
            lines.write(json.dumps({"note_id": row["note_id"], **texts, "images": images, **facts}) + "\n")


def _sound_images(demo: Path, images: Any) -> Iterator[tuple[str, str]]:
    """Yield digest and OCR of the images that can be decoded."""
    for image in images:
        try:
            content = (demo / image["uri"]).read_bytes()
            to_image(content, MAX_PIXELS)
        except (OSError, ImageError):
            continue
        yield hashlib.sha256(content).hexdigest(), image["ocr"] or ""
