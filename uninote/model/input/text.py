"""The text of a note, for models that read one text. A change here moves vectors: it needs a new layout (layouts.py)."""

from __future__ import annotations

from uninote.notes.note import Note


def text_of(note: Note) -> str:
    """Return title, body, topics (#a #b) and the OCR texts of images, one below the other; blank ones are left out.

    Before all, since long texts are cut from their end, stands what a training example is about: the description of an image
    that is not shown, or the OCR that asks for the note.
    """
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    about = [note.described]
    read: list[str] = []
    for place, image in enumerate(note.images):
        (about if note.is_asked(place) else read).append(image.ocr)
    texts = [*about, note.title, note.body, topics, *read]
    return "\n".join(filter(None, map(str.strip, texts)))
