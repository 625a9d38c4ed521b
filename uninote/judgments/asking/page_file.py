"""A page that asks for pairs: one file with everything in it, which needs no server and saves answers as lines of JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from uninote.judgments.asking.answers import Draw
from uninote.judgments.asking.shown_notes import ShownNote
from uninote.judgments.drawing import DrawnPair
from uninote.lake.rows_by_id import NoteId
from uninote.page_text import clean, digest_of_script, json_for_page, page_templates

_PACKAGE = "uninote.judgments.asking"


def page_of(name: str, draw: Draw, pairs: Sequence[DrawnPair], notes: Mapping[NoteId, ShownNote]) -> str:
    """Return the page as HTML; its answers are saved under `name`. Nothing in a note becomes HTML, and no other script runs."""
    lines = []
    for pair in pairs:
        line = draw.line(pair, None)
        # The page says when. Ids are texts: a browser's numbers have 53 bits.
        asked = {field: value for field, value in line.items() if field not in ("relevant", "judged_at")}
        lines.append(asked | {"a": str(pair.a), "b": str(pair.b)})
    shown = {str(note): _fields(one) for note, one in notes.items()}
    script = _file("judge.js")
    page = (
        page_templates(_PACKAGE)
        .get_template("judge.html")
        .render(
            table=draw.table,
            digest=digest_of_script(script),
            style=Markup(_file("judge.css")),
            script=Markup(script),
            data=json_for_page({"name": name, "pairs": lines, "notes": shown}),
        )
    )
    return clean(page)


def _fields(note: ShownNote) -> dict[str, Any]:
    labels = ", ".join(filter(None, (note.category, *note.topics)))
    picture = None if note.picture is None else base64.b64encode(note.picture).decode("ascii")
    return {"title": note.title, "body": note.body, "labels": labels, "picture": picture}


def _file(name: str) -> str:
    return (files(_PACKAGE) / "page" / name).read_text(encoding="utf-8")
