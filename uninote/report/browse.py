"""A sample of notes with their neighbours inside the page, for its search box: data that no text can break out of."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from markupsafe import Markup

from uninote.page_text import clean, digest_of_script, json_for_page
from uninote.report.data import ExampleNote, Sample

TITLE_CHARACTERS = 120
BODY_CHARACTERS = 160
TOPICS = 8


def data_of(sample: Sample) -> Markup:
    """Return the sample as JSON for an element of type application/json.

    About 350 bytes a note: 300 notes with 8 neighbours each, which are 2,700 notes at most, stay below a megabyte.
    """
    notes = {note.note_id: _texts(note) for note in sample.notes}
    lists = {}
    for note_id, found in sample.lists.items():
        # Four digits: more would make the page larger, and nobody reads them.
        lists[note_id] = [[other, round(score, 4)] for other, score in found]
    return json_for_page({"notes": notes, "lists": lists})


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
    return digest_of_script(script())
