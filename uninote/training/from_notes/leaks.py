"""What an evaluation could remember instead of understand: contents that both splits of a training set show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uninote.training.dataset.schemas import EVAL
from uninote.training.dataset.strategies import NOTE, TEXT
from uninote.training.from_notes.groups import content_digests
from uninote.training.from_notes.note_rows import source_note


def find_leaks(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the `content_digests` that items of both splits have, sorted: those of `images`, and those of `texts`.

    Texts are those of notes and descriptions; short ones such as what is read in images are not anybody's copy.
    """
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for row in items:
        note = source_note({"note_id": row["note_id"], **_content(row)})
        seen[row["split"] == EVAL].update(content_digests(note))
    leaks: dict[str, list[str]] = {"images": [], "texts": []}
    for digest in sorted(seen[True] & seen[False]):
        kind = "texts" if digest.startswith("text:") else "images"
        leaks[kind].append(digest)
    return leaks


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    content = {"images": row["images"]}
    if row["kind"] in (NOTE, TEXT):
        content |= {"title": row["title"], "body": f"{row['body'] or ''}\n{row['described'] or ''}"}
    return content
