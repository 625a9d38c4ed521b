"""CSV: rows that do not fit cost themselves and nothing else."""

from __future__ import annotations

import pytest

from uninote.notes.ingest.formats.csv_files import HeaderError, read_header, records
from uninote.notes.ingest.formats.line_counts import count_lines
from uninote.notes.ingest.formats.text_files import Span, TextSource

UTF8 = TextSource()


def read(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    header = read_header(str(path), UTF8)
    found = list(records(str(path), header, UTF8))
    filled = count_lines(Span(str(path)), UTF8).filled
    assert header.lines + sum(record.lines for record in found) == filled  # no line is left over
    return [(record.line, tuple(record.values.values()) if record.values else None) for record in found]


def test_rows_of_every_kind(tmp_path):
    text = '\nid,title\n1,plain\n2,"with ""quotes"", commas\nand lines"\n\n3,\n  \n4,in "quotes" within\n'
    assert read(tmp_path / "a.csv", text) == [
        (3, ("1", "plain")),
        (4, ("2", 'with "quotes", commas\nand lines')),
        (7, ("3", None)),
        (9, ("4", 'in "quotes" within')),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('2,"never closed', "quote to the end"),
        ('2,"closed" too early', "text after a quote"),
        ("2,too,many", "fields"),
        ("2", "fields"),
        ('2,"escaped \\"so\\" it is"', "backslashes"),
    ],
)
def test_a_row_that_does_not_fit_costs_itself_alone(tmp_path, row, why):
    rest = "".join(f"{n},note {n}\n" for n in range(3, 9)) + '9,"quoted, too"\n'
    found = read(tmp_path / "a.csv", f"id,title\n1,one\n{row}\n{rest}")
    assert [line for line, values in found if values is None] == [3], why
    assert [values[0] for _, values in found if values] == ["1", *"3456789"]


def test_a_quote_that_a_later_row_seems_to_close_costs_its_own_row(tmp_path):
    found = read(tmp_path / "a.csv", 'id,title,body\n1,TV,"a 32\n2,tea,warm\n3,TV 50",good\n4,soup,hot\n')
    assert [line for line, values in found if values is None] == [2]
    assert [values[0] for _, values in found if values] == ["2", "3", "4"]


@pytest.mark.parametrize(("encoding", "end"), [("utf-8-sig", "\r\n"), ("utf-16", "\n"), ("utf-8", "\r")])
def test_marks_and_line_ends(tmp_path, encoding, end):
    text = end.join(["id,title", "1,é", '2,"ü"', ""])
    assert read(tmp_path / "a.csv", text, encoding) == [(2, ("1", "é")), (3, ("2", "ü"))]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.tsv", "\t")])
def test_what_columns_are_separated_by_is_found(tmp_path, name, delimiter):
    text = f"id{delimiter}title\n1{delimiter}a, b; c\n".replace("; c", "" if delimiter == ";" else "; c")
    assert read(tmp_path / name, text)[0][1][0] == "1"


def test_names_that_repeat_are_refused_unless_empty(tmp_path):
    with pytest.raises(HeaderError, match=r"names a column more than once: Tags, tags"):
        read(tmp_path / "a.csv", "id,tags,Tags\n1,a,b\n")
    assert read(tmp_path / "a.csv", "id, title ,,\n1,a,,\n") == [(2, ("1", "a"))]


def test_a_file_of_blanks_has_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("\n  \n")
    assert read_header(str(tmp_path / "a.csv"), UTF8) is None
