"""What an evaluation could remember instead of understand: contents that both splits of a training set show."""

from __future__ import annotations

from collections.abc import Iterable

from uninote.training.dataset.strategies import NOTE, TEXT
from uninote.training.from_notes.groups import content_digests
from uninote.training.from_notes.note_rows import Content, SourceImage, SourceNote


def shown_digests(contents: Iterable[Content]) -> list[str]:
    """Return the `content_digests` of items, sorted: what an item of the other split may not have.

    Texts are those of notes and descriptions; short ones such as what is read in images are not anybody's copy.
    """
    found: set[str] = set()
    for content in contents:
        images = tuple(SourceImage(digest) for digest, _ in content.images)
        note = SourceNote("", images=images)
        if content.kind in (NOTE, TEXT):
            note = SourceNote("", content.title, f"{content.body}\n{content.described}", images=images)
        found.update(content_digests(note))
    return sorted(found)
