"""A synthetic training set for timing: pictures of noise with texts of random words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from uninote.training.dataset.writer import write_training_set

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re") for second in ("ban", "dor", "fel", "gim", "sut")
]


def texts(count: int) -> list[str]:
    """Return texts of 4 to 20 words."""
    random = np.random.default_rng(1)
    return [" ".join(random.choice(WORDS, random.integers(4, 21))) for _ in range(count)]


def write_drawn_set(folder: Path, count: int) -> None:
    """Write `count` pairs of one image and one text, all for training."""
    random = np.random.default_rng(0)
    items, images, examples = [], [], []
    for number, text in enumerate(texts(count)):
        shared = {"note_id": str(number), "group": number, "split": "train", "topics": []}
        digest = f"image{number}"
        items.append({"item": 2 * number, "kind": "image", "images": [{"digest": digest, "ocr": ""}]} | shared)
        items.append({"item": 2 * number + 1, "kind": "text", "body": text, "images": []} | shared)
        images.append({"digest": digest, "content": _png(random)})
        pair = {"query": 2 * number, "positive": 2 * number + 1, "negatives": [], "split": "train"}
        examples.append({"strategy": "image_to_text", **pair})
    write_training_set(folder, {"items": items, "images": images, "examples": examples})


def _png(random: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    small = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    small.resize((64, 64)).save(buffer, "PNG")
    return buffer.getvalue()
