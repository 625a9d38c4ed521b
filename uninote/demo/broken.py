"""Notes and files that are broken on purpose, and the reason a reader should give for each."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from uninote.demo.records import DemoImage, DemoNote

# Damage of an image -> the reason in uninote.media.fetching.MediaError.
IMAGE_REJECTS: dict[str, str] = {
    "truncated": "media_undecodable",
    "zero_bytes": "media_empty",
    "missing": "media_missing",
    "text_file": "media_undecodable",
    "huge": "media_too_many_pixels",
    "outside": "media_outside_roots",
}
EMPTY_REJECT = "note_empty"
UNUSABLE_REJECT = "note_unusable"
EMPTY_NOTE = "empty_note"
BROKEN_ONLY = "broken_image_only"
DAMAGES = (*IMAGE_REJECTS, EMPTY_NOTE, BROKEN_ONLY)
HUGE_URI = "images/poster.png"
# 144 million pixels: over 100 million, below the limit at which Pillow itself refuses.
_HUGE_SIDE = 12_000


def damages_of(num_notes: int) -> list[str]:
    """Return the damages to spread over a corpus of this size: one of each from 200 notes on, growing with it."""
    of_each = num_notes // 1000 or int(num_notes >= 200)
    damages = []
    for damage in DAMAGES:
        damages += [damage] * of_each
    return damages


def damage_note(note: DemoNote, damage: str) -> DemoNote:
    """Break a note. An image damage adds a broken image after the good ones: such a note can still be embedded."""
    if damage == EMPTY_NOTE:
        return empty_note(note)
    if damage == BROKEN_ONLY:
        return replace(empty_note(note), images=(_broken_image(note.note_id, "truncated"),))
    return replace(note, images=(*note.images, _broken_image(note.note_id, damage)))


def empty_note(note: DemoNote) -> DemoNote:
    """Take all content out of a note."""
    return replace(note, title="", body="", hashtags=(), images=())


def expected_reject(note: DemoNote) -> str | None:
    """Return the reason for which the note cannot be embedded, or null when it can."""
    if note.title or note.body or note.hashtags or any(not image.damage for image in note.images):
        return None
    return UNUSABLE_REJECT if note.images else EMPTY_REJECT


def damaged_bytes(damage: str, sound: bytes) -> bytes | None:
    """Return what lies at the damaged image's uri; null when nothing does. `sound` is the file before the damage."""
    match damage:
        case "truncated":
            return sound[: len(sound) // 2]
        case "zero_bytes":
            return b""
        case "text_file":
            return "这不是图片 / this is not a picture\n".encode()
        case "huge":
            return _huge_png()
    return None


def _broken_image(note_id: str, damage: str) -> DemoImage:
    uri = {"huge": HUGE_URI, "outside": "../outside.jpg"}.get(damage, f"images/{note_id}_x.jpg")
    return DemoImage(uri, None, damage=damage)


def _huge_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (_HUGE_SIDE, _HUGE_SIDE), 1).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
