"""Baselines to hold an encoder against: the same encoder shown less, or shown noise.

Random initial weights and a zero-shot teacher need nothing here: they are encoders like any other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from uninote.evaluation.retrieval import View, evaluate
from uninote.evaluation.tables import Table
from uninote.model.encoder import Encoder
from uninote.notes.hashing import former_hash
from uninote.notes.note import Note
from uninote.training.dataset import TrainingSet

MISSING = "-"  # what stands for a part that is not shown: an empty prompt is none


def text_only(note: Note, images: list[Image.Image]) -> tuple[Note, list[Image.Image]]:
    """Show no images, and no OCR texts: those are read in images."""
    bare = replace(note, images=(), asked=None)
    return (bare if bare != Note() else Note(body=MISSING)), []


def image_only(note: Note, images: list[Image.Image]) -> tuple[Note, list[Image.Image]]:
    """Show images alone."""
    # Texts that were read in an image are what this baseline must not see.
    images_alone = tuple(replace(image, ocr="") for image in note.images)
    return (Note(images=images_alone) if images_alone else Note(body=MISSING)), images


def random_images(note: Note, images: list[Image.Image]) -> tuple[Note, list[Image.Image]]:
    """Show noise of the same size instead of each image, drawn from the note's content: texts are all there is to find."""
    # The hash of earlier releases, so that figures of the same notes stay comparable.
    digest = bytes.fromhex(former_hash(note, [""] * len(note.images)))
    noise = []
    for place, image in enumerate(images):
        noise.append(_noise(image.size, digest + bytes([place % 256])))
    return note, noise


VIEWS: dict[str, View] = {"text_only": text_only, "image_only": image_only, "random_images": random_images}


def evaluate_views(encoder: Encoder, data: TrainingSet, widths: tuple[int, ...] | None = None) -> tuple[Table, ...]:
    """Return the table of `encoder` under each view of VIEWS; null widths are those that it declares."""
    tables = []
    for name, view in VIEWS.items():
        tables.append(evaluate(name, encoder, data, widths, view))
    return tuple(tables)


def _noise(size: tuple[int, int], seed: bytes) -> Image.Image:
    random = np.random.default_rng(list(seed))
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
