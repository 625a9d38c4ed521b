"""Items into what the model takes, in chunks of similar length, optionally varied."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from PIL import Image

from uninote.model.compute.batching import token_batches
from uninote.model.qwen.processing.processor import NoteProcessor, Prepared
from uninote.notes.note import Note
from uninote.training.dataset.strategies import NOTE
from uninote.training.dataset.training_set import TrainingSet
from uninote.training.loop.gradient_cache import Chunks

# Prepared items in memory: small sets are not decoded anew each epoch.
REMEMBERED = 4096
TOPIC_SHARE = 0.7  # of its topics, that a varied note shows
# Shares of an image's side that a varied view spans; beyond 1 is white.
ZOOM = (0.8, 1.15)


class Inputs:
    """Prepares the items of a training set for one model."""

    def __init__(
        self, training_set: TrainingSet, processor: NoteProcessor, augment: bool, hide_texts: float = 0.0
    ) -> None:
        self._set = training_set
        self._processor = processor
        self._augment = augment
        self._hide_texts = hide_texts
        self._remembered = lru_cache(REMEMBERED)(self._plain)

    def chunks(self, items: np.ndarray, tokens: int, key: tuple[int, int]) -> Chunks:
        """Return `items` in chunks of at most `tokens` padded tokens; `key` (seed, step) fixes how items are varied."""
        prepared = []
        for item in items.tolist():
            prepared.append(self._prepared(item, key))
        order = token_batches([one.num_tokens for one in prepared], tokens)
        parts = []
        for batch in order:
            parts.append([prepared[position] for position in batch])
        return Chunks(parts, torch.from_numpy(np.concatenate(order)))

    def _prepared(self, item: int, key: tuple[int, int]) -> Prepared:
        # Of (seed, step, item) alone: a run that goes on, and each of several processes, varies an item in the same way.
        generator = random.Random(f"{key[0]}/{key[1]}/{item}")
        if self._augment:
            return self._varied(item, generator)
        return self._remembered(item, self._hides(item, generator))

    def _plain(self, item: int, hidden: bool) -> Prepared:
        note = self._set.note(item)
        images = self._set.reduced_images(note, self._processor.fit)
        return self._processor.prepare(images_alone(note) if hidden else note, images)

    def _hides(self, item: int, generator: random.Random) -> bool:
        """Say whether of this item's note the images alone are shown; nothing is drawn where nothing is to be hidden."""
        is_note = self._set.kinds[item] == NOTE
        return bool(is_note and self._hide_texts and generator.random() < self._hide_texts)

    def _varied(self, item: int, generator: random.Random) -> Prepared:
        note = self._set.note(item)
        if self._hides(item, generator):
            note = images_alone(note)
        images = self._set.reduced_images(note, lambda image: self._processor.fit(varied_image(image, generator)))
        return self._processor.prepare(varied_topics(note, generator), images)


def cuts(chunks: Chunks) -> dict[str, int]:
    """Return how many of this process' items are shown in part: those whose text is `cut`, and the `images_left_out`."""
    found = [one.cut for part in chunks.parts for one in part]
    return {"cut": sum(one.tokens > 0 for one in found), "images_left_out": sum(one.images for one in found)}


def images_alone(note: Note) -> Note:
    """Return the images of a note, without its texts and what was read in them; a note without images as it is.

    What an example is about stays, a description that stands for an image or the OCR that asks for the note: without it a
    positive would be its negative by rule.
    """
    if not note.images:
        return note
    images = []
    for place, image in enumerate(note.images):
        images.append(image if note.is_asked(place) else replace(image, ocr=""))
    return Note(images=tuple(images), described=note.described, asked=note.asked)


def varied_image(image: Image.Image, generator: random.Random) -> Image.Image:
    """Return a view of about the full image, moved and zoomed a little; never mirrored, as it may hold writing."""
    zoom = generator.uniform(*ZOOM)
    width = image.width * zoom
    height = image.height * zoom
    left = generator.uniform(0, image.width - width)
    top = generator.uniform(0, image.height - height)
    box = round(left), round(top), round(left + width), round(top + height)
    # A zoom beyond 1 shows white around the image, one below it a part of the image.
    canvas = Image.new("RGB", (max(1, box[2] - box[0]), max(1, box[3] - box[1])), "white")
    canvas.paste(image, (-box[0], -box[1]))
    return canvas


def varied_topics(note: Note, generator: random.Random) -> Note:
    """Return the note with some topics left out and the others in another order."""
    shown = [topic for topic in note.topics if generator.random() < TOPIC_SHARE]
    return replace(note, topics=tuple(generator.sample(shown, len(shown))))
