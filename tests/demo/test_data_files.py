"""The data files of the demo: a file of another shape is refused with the place."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from uninote.demo.material import data_files
from uninote.demo.material.data_files import read_data
from uninote.demo.pictures.strokes import Glyph


@pytest.mark.parametrize(
    ("stroke", "place", "problem"),
    [
        ('["blob", "main", [1, 2, 3, 4]]', "cup.0.0", "Input should be 'oval', 'box'"),
        ('["box", "main", [1, 2, 3]]', "cup.0.2", "a stroke needs two points or more, x and y of each, not 3 numbers"),
        ('["box", "main", [1, 2, 3, "4px"]]', "cup.0.2.3", "valid number"),
    ],
)
def test_a_table_of_another_shape_is_refused_with_its_place(tmp_path, monkeypatch, stroke, place, problem):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "glyphs.json").write_text(f'{{"cup": [{stroke}]}}')
    monkeypatch.setattr(data_files, "files", lambda _: tmp_path)
    with pytest.raises(ValidationError) as caught:
        read_data("glyphs", TypeAdapter(dict[str, Glyph]))
    assert place in str(caught.value)
    assert problem in str(caught.value)
