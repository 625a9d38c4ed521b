"""The ten directed search types of the paper, by meta task, with the kinds of items on either side."""

from __future__ import annotations

from enum import Enum

IMAGE, TEXT, OCR, NOTE = KINDS = ("image", "text", "ocr", "note")


class Strategy(Enum):
    """A directed search type [stated]: its value is `<query kind>_to_<target kind>`."""

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

    @property
    def query_kind(self) -> str:
        """What is searched with: image, text, ocr or note."""
        return self.value.split("_to_")[0]

    @property
    def target_kind(self) -> str:
        """What is searched for."""
        return self.value.split("_to_")[1]

    @property
    def task(self) -> str:
        """The meta task that it belongs to [stated]."""
        return TASKS[self]


TASKS = {
    Strategy.IMAGE_TO_TEXT: "Atomic Alignment",
    Strategy.TEXT_TO_IMAGE: "Atomic Alignment",
    Strategy.IMAGE_TO_NOTE: "Subordinate Retrieval",
    Strategy.TEXT_TO_NOTE: "Subordinate Retrieval",
    Strategy.NOTE_TO_IMAGE: "Semantic Extraction",
    Strategy.NOTE_TO_TEXT: "Semantic Extraction",
    Strategy.IMAGE_TO_OCR: "OCR Perception",
    Strategy.OCR_TO_IMAGE: "OCR Perception",
    Strategy.OCR_TO_NOTE: "OCR Perception",
    Strategy.NOTE_TO_NOTE: "Content Relevance",
}
STAGE_ONE: tuple[Strategy, ...] = tuple(
    strategy for strategy in Strategy if strategy is not Strategy.NOTE_TO_NOTE
)  # [stated]
