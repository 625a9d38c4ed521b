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

    What a training example is about goes last of the texts: the description of an image that is not shown, or the OCR that
    asks for the note. Cut, its note would be one that never had the image.
    """

    BODY = 0
    OCR = 1
    TOPICS = 2
    TITLE = 3
    ABOUT = 4
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
    parts = [Part(Kind.ABOUT, note.described.strip())]
    for place, image in enumerate(note.images[:num_images]):
        kind = Kind.ABOUT if note.is_asked(place) else Kind.OCR
        parts += [Part(Kind.IMAGE), Part(kind, image.ocr.strip())]
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    parts += [Part(Kind.TITLE, note.title.strip()), Part(Kind.BODY, note.body.strip()), Part(Kind.TOPICS, topics)]
    return [part for part in parts if part.kind is Kind.IMAGE or part.text]
