"""A sample of notes with their neighbours inside the page, for its search box: data that no text can break out of."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from uninote.report.data import ExampleNote, Sample
from uninote.report.formats import clean

TITLE_CHARACTERS = 120
BODY_CHARACTERS = 160
TOPICS = 8
# Nothing of what remains can end the element.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def data_of(sample: Sample) -> Markup:
    """Return the sample as JSON for an element of type application/json.

    About 350 bytes a note: 300 notes with 8 neighbours each, which are 2,700 notes at most, stay below a megabyte.
    """
    notes = {note.note_id: _texts(note) for note in sample.notes}
    lists = {}
    for note_id, found in sample.lists.items():
        # Four digits: more would make the page larger, and nobody reads them.
        lists[note_id] = [[other, round(score, 4)] for other, score in found]
    # Escaped below, so that no text of a note can end the element that holds it.
    text = json.dumps({"notes": notes, "lists": lists}, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return Markup(text)


def _texts(note: ExampleNote) -> list[object]:
    topics = [clean(topic) for topic in note.topics[:TOPICS]]
    return [clean(note.title)[:TITLE_CHARACTERS], clean(note.body)[:BODY_CHARACTERS], topics, clean(note.category)]


@cache
def script() -> Markup:
    """Return the page's own script: it reads the data and makes text of it, never HTML."""
    return Markup((files("uninote.report") / "page" / "browse.js").read_text(encoding="utf-8"))


@cache
def script_digest() -> str:
    """Return what the page's policy names the script by: no other script may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
