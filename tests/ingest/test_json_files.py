"""JSON in every form that people store notes in."""

from __future__ import annotations

import json

import pytest

from uninote.notes.ingest.formats import text_files
from uninote.notes.ingest.formats.json_counts import count_values
from uninote.notes.ingest.formats.json_files import (
    is_by_line,
    records_by_line,
    records_by_value,
    repeated_keys,
)
from uninote.notes.ingest.formats.text_files import Span, TextSource

UTF8 = TextSource()


def records(path, name="a.json"):
    if is_by_line(str(path), UTF8, name.endswith("jsonl")):
        return list(records_by_line(Span(str(path)), UTF8))
    return list(records_by_value(str(path), UTF8))


ONE, TWO = {"id": "a", "t": 'x{"[,'}, {"id": "b", "n": [1, {"c": []}]}
FORMS = {
    "lines": f"{json.dumps(ONE)}\n\n{json.dumps(TWO)}\r\n",
    "array": json.dumps([ONE, TWO]),
    "array over lines": json.dumps([ONE, TWO], indent=1),
    "values": json.dumps(ONE, indent=1) + json.dumps(TWO, indent=1),
    "values on a line": json.dumps(ONE) + json.dumps(TWO),
    "two arrays": f"[{json.dumps(ONE)}]\n[{json.dumps(TWO)}]",
    "trailing comma": f"[{json.dumps(ONE)},{json.dumps(TWO)},]",
    "lone CR": f"{json.dumps(ONE)}\r{json.dumps(TWO)}\r",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_every_form_gives_the_same_values(tmp_path, monkeypatch, form, block):
    monkeypatch.setattr(text_files, "BLOCK", block)
    monkeypatch.setattr("uninote.notes.ingest.formats.json_files._LEAST", block)
    path = tmp_path / "a"
    path.write_text(FORMS[form], newline="")
    assert [record.values for record in records(path)] == [ONE, TWO]
    assert count_values(str(path), UTF8) == 2


@pytest.mark.parametrize(
    ("text", "rows", "rest"),
    [
        ('[{"id": 1}, {"id": 2}, {"id": ', 2, '{"id":'),
        ('[{"id": 1},', 1, "cut off"),
        ('[{"id": 1}, {"id": 2}', 2, "expected a comma"),
        ('[{"id": 1} {"id": 2}]', 1, "expected a comma"),
        ('{"id": 1}\n{"id": 2} trailing', 1, "Extra data"),
        ('[{"id": 1}]\nnonsense', 1, "from here to the file's end"),
    ],
)
def test_what_does_not_parse_is_a_record_of_its_own(tmp_path, text, rows, rest):
    (tmp_path / "a").write_text(text)
    found = records(tmp_path / "a")
    assert sum(record.values is not None for record in found) == rows
    assert found[-1].values is None
    assert rest in found[-1].fault + found[-1].text


def test_entries_that_are_no_objects_are_records_that_cannot_be_read(tmp_path):
    (tmp_path / "a").write_text('[{"id": 1}, null, 5, "x", [1], true]')
    found = records(tmp_path / "a")
    assert [record.values for record in found] == [{"id": 1}, None, None, None, None, None]
    assert count_values(str(tmp_path / "a"), UTF8) == 6


def test_a_line_that_does_not_parse_costs_itself_alone(tmp_path):
    deep = "[" * 100_000
    long = '{"id": ' + "9" * 5000 + "}"
    (tmp_path / "a").write_text(f'{{"id": 1}}\n{{"id": \n{deep}\n{long}\n{{"id": NaN}}\n{{"id": 2}} {{"id": 3}}\n')
    found = records(tmp_path / "a", "a.jsonl")
    assert [record.line for record in found if record.values is None] == [2, 3, 4, 6]
    assert len(found) == 6


def test_keys_that_repeat_are_told(tmp_path):
    (tmp_path / "a").write_text('{"id": 1, "t": 1, "t": 2, "T": 3, "n": {"x": 1, "x": 2}}\n')
    assert repeated_keys(records(tmp_path / "a", "a.jsonl")[0].values) == ("t",)


def test_a_file_named_lines_may_be_an_array_or_span_lines(tmp_path):
    for text in (FORMS["array"], FORMS["values"]):
        (tmp_path / "a").write_text(text)
        assert [record.values for record in records(tmp_path / "a", "a.jsonl")] == [ONE, TWO]
