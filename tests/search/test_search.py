"""`python -m uninote.search` finds the model of an index in the lake around it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from uninote.search.command import main


def answers(capsys, *arguments):
    assert main([*arguments, "--text", "a day hike", "-k", "3"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refusal(capsys, *arguments):
    assert main([*arguments, "--text", "a day hike"]) == 1
    return capsys.readouterr().err


def test_the_lakes_own_model_needs_no_name(made, capsys):
    found = answers(capsys, made.index)
    assert len(found) == 3
    assert found == answers(capsys, made.index, "--model", made.model)
    assert found == answers(capsys, f"file://{made.index}")


def test_a_model_that_was_moved_is_named(made, capsys):
    found = answers(capsys, made.index)
    moved = made.folder / "moved"
    Path(made.model).rename(moved)
    assert f"the model of this index is not at {made.model}" in refusal(capsys, made.index)
    assert answers(capsys, made.index, "--model", str(moved)) == found


def test_an_index_that_lies_elsewhere_says_what_is_missing(made, capsys):
    elsewhere = shutil.copytree(made.index, made.folder / "elsewhere")
    assert f"no lake at {made.folder.parents[1]} says where the model" in refusal(capsys, str(elsewhere))
    found = answers(capsys, str(elsewhere), "--model", made.model)
    assert len(found) == 3
    assert answers(capsys, str(elsewhere), "--lake", str(made.folder / "lake")) == found
    # Whose takedowns would hide nothing.
    for another in (made.folder / "lak", made.folder):
        said = refusal(capsys, str(elsewhere), "--model", made.model, "--lake", str(another))
        assert f"--lake {another} is no lake that has vectors of {made.record.parent.name}" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"kind": "vectors"}, "the vectors of this index were made elsewhere"),
        ({"weights": None}, "not the record of a generation"),
    ],
)
def test_a_record_without_a_model_is_an_error(made, capsys, content, said):
    made.record.write_text(json.dumps(made.content | content))
    assert said in refusal(capsys, made.index)
