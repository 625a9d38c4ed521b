"""The notes of the corpus with all that is known about them, and the lines they become."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from uninote.demo.pictures.scenes import Scene
from uninote.demo.texts.topics import Language

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoImage:
    """An image of a note. Two images with one uri are one file.

    Equal `drawing` names mean equal pixels before the `edit`: "" none, "crop" or "recompress". `damage` says how the
    file was broken on purpose ("" when it is sound); `scene` is null where a damaged file shows nothing.
    """

    uri: str
    scene: Scene | None
    description: str = ""
    drawing: str = ""
    edit: str = ""
    damage: str = ""

    @property
    def ocr(self) -> str:
        return self.scene.text if self.scene else ""


@dataclass(frozen=True, slots=True)
class DemoNote:
    """A note as its author wrote it, and its latent truth: `topic`, `subjects`, whose duplicate it is."""

    note_id: str
    topic: str
    subjects: tuple[str, ...]
    title: str
    body: str
    hashtags: tuple[str, ...]
    images: tuple[DemoImage, ...]
    category: str
    author: str
    language: Language
    visibility: str
    updated_at: datetime
    duplicate_of: str | None = None
    duplicate_kind: str | None = None


def _caption(note: DemoNote) -> str | None:
    """Return the description of the first image that shows a scene."""
    for image in note.images:
        if image.scene:
            return image.description
    return None


def _image_row(image: DemoImage) -> Row:
    """Return an image of a line; one that shows no scene has no caption."""
    row = {"uri": image.uri, "ocr": image.ocr}
    return row | {"caption": image.description} if image.scene else row


def item_row(note: DemoNote) -> Row:
    """Return the note as a line of items.jsonl."""
    return {
        "note_id": note.note_id,
        "title": note.title,
        "body": note.body,
        "caption": _caption(note),
        "topics": list(note.hashtags),
        "images": [_image_row(image) for image in note.images],
        "category": note.category,
        "author": note.author,
        "language": note.language,
        "visibility": note.visibility,
        "updated_at": note.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def truth_image(image: DemoImage, rejects: dict[str, str]) -> Row:
    """Return what is known of an image. `rejects` turns a damage into the reason a reader should give."""
    return {
        "uri": image.uri,
        "shows": asdict(image.scene) if image.scene else None,
        "description": image.description or None,
        "damage": image.damage or None,
        "expected_reject": rejects[image.damage] if image.damage else None,
    }
