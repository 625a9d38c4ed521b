"""The parts of a note in the order in which the model reads them, which is this project's choice.

A change here moves vectors: it needs a new layout (`uninote/model/identity/layouts.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from uninote.notes.note import Note

VISION_START = "<|vision_start|>"
IMAGE_PAD = "<|image_pad|>"
VISION_END = "<|vision_end|>"
PADDING = "<|endoftext|>"


class Kind(Enum):
    """What a part is, in the order in which parts are cut when the note is too long; an image is never cut.

    The description of an image that is not shown goes last of the texts: cut, its note would be one that never had the image.
    """

    BODY = 0
    OCR = 1
    TOPICS = 2
    TITLE = 3
    DESCRIBED = 4
    IMAGE = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the user turn. `text` is stripped; that of an image is empty."""

    kind: Kind
    text: str = ""


def parts_of(note: Note, num_images: int) -> list[Part]:
    """Return the first `num_images` images, each before its OCR, then title, body and topics; blank texts are left out.

    Before the images stands the description of one that is not shown: after one of them it would pass for its OCR.

    A note with one part only is how a single image, text or OCR string is embedded. OCR texts of images beyond
    `num_images` go with their images.
    """
    parts = [Part(Kind.DESCRIBED, note.described.strip())]
    for image in note.images[:num_images]:
        parts += [Part(Kind.IMAGE), Part(Kind.OCR, image.ocr.strip())]
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    parts += [Part(Kind.TITLE, note.title.strip()), Part(Kind.BODY, note.body.strip()), Part(Kind.TOPICS, topics)]
    return [part for part in parts if part.kind is Kind.IMAGE or part.text]
