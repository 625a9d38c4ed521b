"""A note as the encoders see it: the currency between tables, media and models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoteImage:
    """One image of a note, in its place. `uri` is as the source wrote it; `ocr` is the text read in it, "" when none."""

    uri: str
    ocr: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What of a note reaches a model. Texts are "" when absent, never None; captions stay out: they are training targets.

    Two are of training alone: `described`, the description that stands in the place of an image which a query shows, and
    `asked`, the place of the image whose OCR a query is. Neither text is cut while the note has others.
    """

    title: str = ""
    body: str = ""
    topics: tuple[str, ...] = ()
    images: tuple[NoteImage, ...] = ()
    described: str = ""
    asked: int | None = None

    def is_asked(self, place: int) -> bool:
        """Say whether the OCR of the image in this place is what the note is asked for by."""
        return self.asked == place
