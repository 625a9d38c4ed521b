"""What a note looks like to the model: the chat around it, and the order of its parts.

A change here moves vectors: it needs a new layout (layouts.py).

The frame is the published usage of Qwen3-VL-Embedding: the instruction in the system turn, the input in the user turn,
the generation prompt at the end, whose last token is pooled. The order of a note's parts is this project's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from uninote.notes.note import Note

INSTRUCTION = "Represent the user's input."
OPENING = f"<|im_start|>system\n{INSTRUCTION}<|im_end|>\n<|im_start|>user\n"
CLOSING = "<|im_end|>\n<|im_start|>assistant\n"
SEPARATOR = "\n"  # after a text that another part follows; none after an image, as published
VISION_START = "<|vision_start|>"
IMAGE_PAD = "<|image_pad|>"
VISION_END = "<|vision_end|>"
PADDING = "<|endoftext|>"


@dataclass(frozen=True)
class Frame:
    """What stands around a note's parts, and after a text that another part follows."""

    opening: str
    closing: str
    separator: str


FRAME = Frame(OPENING, CLOSING, SEPARATOR)


class Kind(Enum):
    """What a part is, in the order in which parts are cut when the note is too long; an image is never cut."""

    BODY = 0
    OCR = 1
    TOPICS = 2
    TITLE = 3
    IMAGE = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the user turn. `text` is stripped; that of an image is empty."""

    kind: Kind
    text: str = ""


def parts_of(note: Note, num_images: int) -> list[Part]:
    """Return the first `num_images` images, each before its OCR, then title, body and topics; blank texts are left out.

    A note with one part only is how a single image, text or OCR string is embedded. OCR texts of images beyond
    `num_images` go with their images.
    """
    parts: list[Part] = []
    for image in note.images[:num_images]:
        parts += [Part(Kind.IMAGE), Part(Kind.OCR, image.ocr.strip())]
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    parts += [Part(Kind.TITLE, note.title.strip()), Part(Kind.BODY, note.body.strip()), Part(Kind.TOPICS, topics)]
    return [part for part in parts if part.kind is Kind.IMAGE or part.text]
