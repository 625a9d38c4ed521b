"""What counts as a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uninote.notes.hashing import content_hash, former_hash, meta_hash
from uninote.notes.note import Note, NoteImage

NOTE = Note("title", "body", ("a", "b"), (NoteImage("x.png", "text"),))


@pytest.mark.parametrize(
    "edited",
    [
        replace(NOTE, title="other"),
        replace(NOTE, body="other"),
        replace(NOTE, topics=("b", "a")),
        replace(NOTE, images=(NoteImage("x.png", "other"),)),
    ],
)
def test_every_part_the_model_sees_changes_the_content_hash(edited):
    assert content_hash(edited, ["v1"]) != content_hash(NOTE, ["v1"])


def test_a_file_replaced_in_place_changes_the_content_hash():
    assert content_hash(NOTE, ["v1"]) != content_hash(NOTE, ["v2"])


def test_the_name_of_a_file_counts_in_the_former_hash_alone():
    renamed = replace(NOTE, images=(NoteImage("y.png", "text"),))
    assert content_hash(renamed, ["v1"]) == content_hash(NOTE, ["v1"])
    assert former_hash(renamed, ["v1"]) != former_hash(NOTE, ["v1"])


def test_the_former_hash_is_what_lakes_hold():
    """Whoever changes one of these embeds lakes of format 3 again."""
    assert former_hash(NOTE, ["3-17"]) == "e8de55f2fdc1b8ad03d4aa2b21407e9e"
    assert former_hash(Note("a", "b"), []) == content_hash(Note("a", "b"), []) == "d97daef60f83c41ea62b9a08e157512b"


def test_text_moved_between_parts_is_a_change():
    assert content_hash(Note("ab", "c"), []) != content_hash(Note("a", "bc"), [])


def test_text_that_utf8_cannot_hold_still_has_a_hash():
    assert content_hash(Note("\ud800"), []) != content_hash(Note("\ud801"), [])


def test_absent_and_empty_attributes_differ():
    assert meta_hash([None, "a"]) != meta_hash(["", "a"])
