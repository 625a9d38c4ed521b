"""What makes a note count as changed: one hash over all the model sees, one over what only filters use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from uninote.notes.note import Note


def content_hash(note: Note, media: Sequence[str]) -> str:
    """Return 32 hexadecimal characters over the texts of `note` and its images.

    `media` holds the `file_version` of each image, so that a file replaced in place counts.
    """
    images = [[image.uri, image.ocr, version] for image, version in zip(note.images, media, strict=True)]
    return _digest([note.title, note.body, list(note.topics), images])


def meta_hash(attributes: Sequence[str | None]) -> str:
    """Return 32 hexadecimal characters over the attributes of a note that no model sees."""
    return _digest(list(attributes))


def _digest(values: list[object]) -> str:
    # ASCII escapes: texts may hold lone surrogates, which UTF-8 cannot encode.
    return hashlib.sha256(json.dumps(values, ensure_ascii=True).encode("ascii")).hexdigest()[:32]
