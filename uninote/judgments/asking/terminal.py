"""Pairs one by one in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from uninote.judgments.asking.answers import AnswerFile
from uninote.judgments.asking.shown_notes import ShownNote
from uninote.judgments.drawing import DrawnPair
from uninote.lake.rows_by_id import NoteId
from uninote.terminal import visible, write

_ANSWERS: Mapping[str, bool | None] = {"y": True, "yes": True, "n": False, "no": False, "s": None, "skip": None}
_LINE = 400  # characters of a text


def ask(
    pairs: Sequence[DrawnPair],
    notes: Mapping[NoteId, ShownNote],
    answers: AnswerFile,
    streams: tuple[TextIO, TextIO],
) -> bool:
    """Ask for each pair that is not answered yet, by lines of the first stream; returns whether all are answered.

    It ends with the pairs, with q, or with the stream.
    """
    asked, told = streams
    while (pair := _next(pairs, answers)) is not None:
        done = len(answers.lines)
        write(told, f"\n[{done + 1} of {len(pairs)}]\n{_card(pair.a, notes)}\n  is this relevant to it?\n")
        write(told, f"{_card(pair.b, notes)}\n(y)es, (n)o, (s)kip, (u)ndo, (q)uit: ")
        said = asked.readline()
        word = said.strip().lower()
        if not said or word in ("q", "quit"):
            return False
        if word in ("u", "undo"):
            answers.undo()
        elif word in _ANSWERS:
            answers.add(pair, _ANSWERS[word])
        else:
            write(told, f"{visible(said.strip())!r} is none of y, n, s, u and q\n")
    return True


def _next(pairs: Sequence[DrawnPair], answers: AnswerFile) -> DrawnPair | None:
    known = answers.pairs()
    return next((pair for pair in pairs if (pair.a, pair.b) not in known), None)


def _card(note: NoteId, notes: Mapping[NoteId, ShownNote]) -> str:
    shown = notes.get(note)
    if shown is None:
        return f"  {visible(str(note))}  (not in this release)"
    lines = [f"  {note}  {shown.title}", f"    {_short(shown.body)}"]
    if shown.topics or shown.category:
        lines.append(f"    [{', '.join(filter(None, (shown.category, *shown.topics)))}]")
    return "\n".join(visible(line) for line in lines if line.strip())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
