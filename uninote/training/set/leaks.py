"""What an evaluation could remember instead of understand: contents that both splits of a training set show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uninote.training.set.groups import marks_of
from uninote.training.set.note_rows import source_note
from uninote.training.set.schemas import EVAL
from uninote.training.strategies import NOTE, TEXT


def find_leaks(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the marks, see `marks_of`, that rows of items of both splits have, sorted: `images`, digests, `texts`, hashes.

    Texts are those of notes and descriptions; short ones such as what is read in images are not anybody's copy.
    """
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for row in items:
        note = source_note({"note_id": row["note_id"], **_content(row)})
        seen[row["split"] == EVAL].update(marks_of(note))
    both = sorted(seen[True] & seen[False])
    return {
        "images": [mark for mark in both if not mark.startswith("text:")],
        "texts": [mark for mark in both if mark.startswith("text:")],
    }


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: row[name] for name in ("title", "body")} if row["kind"] in (NOTE, TEXT) else {}
    return {**texts, "images": row["images"]}
