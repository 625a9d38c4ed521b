"""What one note gives to a training set: examples and halves, as plain rows over the list of contents that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.examples import Example, Making, examples_of
from uninote.training.from_notes.halves import Halves, further_halves, halves_of
from uninote.training.from_notes.note_rows import Content, SourceNote, mark_of

Row = dict[str, Any]


@dataclass(frozen=True)
class NoteExamples:
    """What one note gives to train on; `halves` null where it cannot be cut in two."""

    note_id: str
    examples: tuple[Example, ...]
    halves: Halves | None


def examples_and_halves(note: SourceNote, making: Making) -> NoteExamples:
    """Return what `note` gives; the same for the same note and settings anywhere.

    With `making.note_pairs` the halves are a pair of stage 1 as well: N_B without any image of N_A [ours], and with
    `making.shared_images` N_B with some of them too; with `making.note_cuts` above 1 the note is cut in other ways as well.
    """
    examples = examples_of(note, making)
    halves = halves_of(note, making.seed, making.seen)
    if making.note_pairs:
        cuts = [] if halves is None else [halves]
        cuts += further_halves(note, making.seed, making.seen, making.note_cuts - 1)
        for cut in cuts:
            others = cut.relevant if making.shared_images else cut.relevant[-1:]
            examples += [Example(Strategy.NOTE_TO_NOTE, cut.query, other) for other in others]
    return NoteExamples(note.note_id, tuple(examples), halves)


def draft_of(found: NoteExamples) -> Row:
    """Return what a note gives as rows: `contents` with their marks, each once; `examples` and `halves` name their places.

    Items have no numbers yet: those depend on the contents of all notes.
    """
    places: dict[Content, int] = {}

    def place(content: Content) -> int:
        return places.setdefault(content, len(places))

    examples = []
    for one in found.examples:
        ends = {"query": place(one.query), "positive": place(one.positive)}
        by_rule = None if one.by_rule is None else place(one.by_rule)
        examples.append({"strategy": one.strategy.value, **ends, "by_rule": by_rule})
    halves = None
    if found.halves is not None:
        halves = {"query": place(found.halves.query), "relevant": list(map(place, found.halves.relevant))}
    contents = [{"mark": mark_of(content), **content.as_row()} for content in places]
    return {"contents": contents, "examples": examples, "halves": halves}
