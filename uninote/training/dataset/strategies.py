"""The ten directed search types of the paper and one more, with the kinds of items on either side."""

from __future__ import annotations

from enum import Enum

IMAGE = "image"
TEXT = "text"
OCR = "ocr"
NOTE = "note"
KINDS = (IMAGE, TEXT, OCR, NOTE)


class Strategy(Enum):
    """A directed search type [stated; IMAGE_TO_IMAGE ours]: its value is `<query kind>_to_<target kind>`."""

    IMAGE_TO_TEXT = "image_to_text"
    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_NOTE = "image_to_note"
    TEXT_TO_NOTE = "text_to_note"
    NOTE_TO_IMAGE = "note_to_image"
    NOTE_TO_TEXT = "note_to_text"
    IMAGE_TO_OCR = "image_to_ocr"
    OCR_TO_IMAGE = "ocr_to_image"
    OCR_TO_NOTE = "ocr_to_note"
    NOTE_TO_NOTE = "note_to_note"
    IMAGE_TO_IMAGE = (
        "image_to_image"  # another image of the same note; behind the others, whose draws go by their places
    )

    @property
    def target_kind(self) -> str:
        """What is searched for."""
        return self.value.split("_to_")[1]


STAGE_ONE: tuple[Strategy, ...] = tuple(
    strategy for strategy in Strategy if strategy is not Strategy.NOTE_TO_NOTE
)  # [stated]
