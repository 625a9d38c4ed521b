"""Marks in texts: JSON, one value or a line each, followed into what it holds as JSON again; else the text as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

from uninote.takedown.columns import Found
from uninote.takedown.marks import Marks


def in_text(content: bytes, marks: Marks) -> Iterator[Found]:
    """Yield what a file has that is no table: JSON is decoded, of anything else the characters count."""
    text = content.decode("utf-8", "replace")
    values = _values(text)
    if values is None:
        for note_id, what in marks.in_text(text):
            yield note_id, what, "text"
        return
    for value in values:
        yield from _in_value("", value, marks)


def _values(text: str) -> list[object] | None:
    """Return the value, or the values of all lines, of a text in JSON; null where it is none."""
    try:
        return [json.loads(text)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None


def _in_value(path: str, value: object, marks: Marks) -> Iterator[Found]:
    if isinstance(value, dict):
        for name, one in value.items():
            for note_id, what in marks.in_text(name):
                yield note_id, what, f"a name below {path or 'the root'}"
            yield from _in_value(f"{path}.{name}".lstrip("."), one, marks)
    elif isinstance(value, list):
        for one in value:
            yield from _in_value(path, one, marks)
    elif isinstance(value, str):
        # The statistics of a Delta log are JSON within JSON.
        inner = _values(value) if value.startswith(("{", "[")) else None
        if inner is not None:
            yield from _in_value(path, inner, marks)
        else:
            for note_id, what in marks.in_text(value):
                yield note_id, what, path
    elif isinstance(value, int) and not isinstance(value, bool):
        for note_id, what in marks.in_number(path, value):
            yield note_id, what, path
