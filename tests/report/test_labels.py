"""Labels and languages of notes: an empty one is none, and what the encoder read of it is said."""

from __future__ import annotations

from uninote.pipelines.report.labels import _categories, _topics, languages_of


def note(**fields):
    return {"category": None, "topics": None, "language": None, "text": "", **fields}


def test_an_empty_label_is_none():
    notes = {1: note(category="tea"), 2: note(category=""), 3: note(category="  "), 4: note()}
    assert _categories(notes).labels == {1: frozenset(["tea"])}
    notes = {1: note(topics=["tea", "", None, " "]), 2: note(topics=[""]), 3: note(topics=[]), 4: note()}
    assert _topics(notes).labels == {1: frozenset(["tea"])}


def test_a_label_that_stands_in_the_text_is_said_to_be_read():
    assert _categories({1: note(category="Tea", text="green")}).origin == (
        "the column category; the encoder does not read it"
    )
    notes = {1: note(category="Tea", text="green tea"), 2: note(category="Tea", text="coffee")}
    assert _categories(notes).origin.endswith("read it, but 50.0 % of notes have the word in their text")


def test_languages_are_guessed_only_where_no_note_has_one():
    notes = {1: note(text="咖啡"), 2: note(text="coffee"), 3: note(text=" ")}
    assert languages_of(notes) == {1: "zh", 2: "other"}
    assert languages_of({**notes, 4: note(language="de"), 5: note(language="")}) == {4: "de"}
