"""Small sources of notes for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def make_image(path: Path, colour: str = "red", size: tuple[int, int] = (48, 32)) -> Path:
    """Write a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def make_note(note_id: object, **fields: object) -> dict[str, object]:
    """Return a note as a line of items.jsonl, with a text of its own unless fields say otherwise."""
    return {"note_id": note_id, "title": f"note {note_id}", "body": f"about {note_id}", **fields}


def write_source(folder: Path, notes: Iterable[dict[str, object]]) -> Path:
    """Write items.jsonl into `folder` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(note, ensure_ascii=False) for note in notes)
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
