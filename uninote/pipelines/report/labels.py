"""What notes are labelled with, and where each label comes from: a figure counts for little if the encoder read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uninote.demo.corpus import read_rows
from uninote.evaluation.agreement import Labels
from uninote.foreign_vectors.identity import KIND
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.source.identity import demo_folder, may_hold_demo
from uninote.report.formats import language, share

Notes = Mapping[Any, Mapping[str, Any]]  # by note_id: columns of notes, and `text`, what the encoder reads of them


@dataclass(frozen=True)
class Label:
    """A kind of label: those of each note that has any, their `source`, and what the encoder `read` of them."""

    name: str
    source: str
    read: str
    labels: Labels

    @property
    def origin(self) -> str:
        """Where the label comes from, in words."""
        return f"{self.source}; {self.read}"


def labels_of(run: Run, notes: Notes) -> tuple[Label, ...]:
    """Return all kinds of labels that any of `notes` has. A label that is empty, or but spaces, is none."""
    found = [_categories(notes), _topics(notes)]
    if may_hold_demo(run):
        found.append(_demo_topics(run, notes))
    labels = []
    for label in found:
        if not label.labels:
            continue
        if run.model.kind == KIND:
            label = replace(label, read="what the model of these vectors read is not known here")
        labels.append(label)
    return tuple(labels)


def languages_of(notes: Notes) -> dict[Any, str]:
    """Return the language of each note that says it; where none does, whether its text has Chinese characters."""
    said = {}
    guessed = {}
    for note_id, note in notes.items():
        if _is_label(note["language"]):
            said[note_id] = note["language"]
        elif not said and note["text"].strip():
            guessed[note_id] = language(note["text"]) or "other"
    return said or guessed


def _categories(notes: Notes) -> Label:
    labels = {}
    for note_id, note in notes.items():
        if _is_label(note["category"]):
            labels[note_id] = frozenset([note["category"]])
    return Label("category", "the column category", f"the encoder does not read it{_read_in(notes, labels)}", labels)


def _topics(notes: Notes) -> Label:
    labels = {}
    for note_id, note in notes.items():
        topics = frozenset(filter(_is_label, note["topics"] or ()))
        if topics:
            labels[note_id] = topics
    return Label(
        "topics", "the notes' own topics (hashtags), one in common is enough", "the encoder reads them", labels
    )


def _demo_topics(run: Run, notes: Notes) -> Label:
    labels = {}
    for row in read_rows(demo_folder(run) / "truth.jsonl"):
        if row["note_id"] in notes and _is_label(row["topic"]):
            labels[row["note_id"]] = frozenset([row["topic"]])
    read = "its hashtags often say it, and the encoder reads these"
    return Label("demo topic", "what the demo's note was written about (truth.jsonl)", read, labels)


def _is_label(value: str | None) -> bool:
    return bool(value and value.strip())


def _read_in(notes: Notes, labels: Labels) -> str:
    """Return how many notes have their label in their own text, in words: there the encoder did read it."""
    read = 0
    for note_id, mine in labels.items():
        text = notes[note_id]["text"].casefold()
        read += any(label.casefold() in text for label in mine)
    return f", but {share(read / len(labels))} of notes have the word in their text" if read else ""


def ids_of(notes: Sequence[Mapping[str, Any]]) -> Notes:
    """Return rows by their note_id."""
    return {note["note_id"]: note for note in notes}
