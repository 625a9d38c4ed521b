"""The text of a note, for models that read one text. A change here moves vectors: it needs a new layout (layouts.py)."""

from __future__ import annotations

from uninote.notes.note import Note


def text_of(note: Note) -> str:
    """Return title, body, topics (#a #b) and the OCR texts of images, one below the other; blank ones are left out.

    Before all, since long texts are cut from their end, stands the description of an image that is not shown.
    """
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    texts = [note.described, note.title, note.body, topics]
    for image in note.images:
        texts.append(image.ocr)
    return "\n".join(filter(None, map(str.strip, texts)))
