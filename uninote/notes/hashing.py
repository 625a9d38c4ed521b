"""What makes a note count as changed: one hash over all the model sees, one over what only filters use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from uninote.notes.note import Note


def content_hash(note: Note, digests: Sequence[str]) -> str:
    """Return 32 hexadecimal characters over the texts of `note` and its images.

    `digests` holds a hash of each image's bytes, or a word that says why it has none. Names of files are not in it: no
    model sees them, and a picture under another name is the same picture.
    """
    images = []
    for image, digest in zip(note.images, digests, strict=True):
        images.append([image.ocr, digest])
    return _digest([note.title, note.body, list(note.topics), images])


def former_hash(note: Note, versions: Sequence[str]) -> str:
    """Return what lakes of format 3 and before hold as the content hash: names and `file_version` of images, no bytes.

    Of a note without images both hashes are equal.
    """
    images = []
    for image, version in zip(note.images, versions, strict=True):
        images.append([image.uri, image.ocr, version])
    return _digest([note.title, note.body, list(note.topics), images])


def meta_hash(attributes: Sequence[str | None]) -> str:
    """Return 32 hexadecimal characters over the attributes of a note that no model sees."""
    return _digest(list(attributes))


def _digest(values: list[object]) -> str:
    # ASCII escapes: texts may hold lone surrogates, which UTF-8 cannot encode.
    return hashlib.sha256(json.dumps(values, ensure_ascii=True).encode("ascii")).hexdigest()[:32]
