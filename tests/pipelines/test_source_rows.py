"""Sources of every format: each row is a note or set aside, and none goes missing."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from uninote.errors import UninoteError
from uninote.notes.ingest.column_types import ColumnTypeError
from uninote.notes.ingest.columns import SourceColumnsError
from uninote.notes.ingest.sources import SourceError, find_source
from uninote.pipelines.notes.source import inspection as source_inspection
from uninote.pipelines.notes.source.rows import read_source

pytestmark = pytest.mark.spark


@pytest.fixture
def read(make_run):
    """Return a function that reads a source and returns (notes by id, reasons of the others)."""

    def read_it(path, *overrides):
        run = make_run(*overrides)
        found = read_source(run, find_source(str(path)), run.config.ingest, "test")
        notes = {row["note_id"]: row for row in found.notes.collect()}
        rejects = [(row["reason"], row["message"]) for row in found.rejects.collect()]
        found.rows.unpersist()
        assert found.account.rows == len(notes) + len(rejects)
        return notes, rejects

    return read_it


def test_lines_of_mixed_types(read, tmp_path):
    rows = [
        {"id": "a", "title": "A", "tags": ["street food", "soup"], "headers": {"etag": "1", "ETag": "1"}},
        {"id": "b", "title": "B", "tags": "tea", "created_at": "soon"},
        {"id": 4, "title": {"en": "D"}, "tags": None, "ocr": [{"text": "SALE 50%", "box": [[1, 2]]}]},
        {"id": "c", "title": {"en": "C", "zh": "C"}},
        {"id": None},
        7,
    ]
    text = "\n\n".join(json.dumps(row) for row in rows) + '\n{"id": "e", "title": "E", "title": "F"}\n{"id":\n'
    (tmp_path / "items.jsonl").write_text(text)
    notes, rejects = read(tmp_path)
    assert {key: (note["title"], note["topics"]) for key, note in notes.items()} == {
        "a": ("A", ["street food", "soup"]),
        "b": ("B", ["tea"]),
        "4": ("D", []),
    }
    assert [tuple(image) for image in notes["4"]["images"]] == [(None, "SALE 50%", None)]
    assert [reason for reason, _ in rejects] == ["row_unreadable", "note_id_missing", *["row_unreadable"] * 3]
    places = [message.split("items.jsonl, ")[1][:7] for _, message in rejects]
    assert places == ["line 7:", "line 9:", "line 11", "line 12", "line 13"]


def test_lines_in_a_file_named_json_are_cut_into_spans(read, tmp_path, monkeypatch):
    monkeypatch.setattr(source_inspection, "SPAN_BYTES", 100)
    lines = [json.dumps({"id": n, "title": f"note {n}"}) for n in range(50)]
    lines[40] = "no JSON"
    (tmp_path / "items.json").write_text("\n".join(lines))
    notes, rejects = read(tmp_path)
    assert sorted(notes) == [n for n in range(50) if n != 40]
    assert "items.json, line 41 does not parse" in rejects[0][1]


def test_rows_that_a_reader_loses_are_an_error_that_says_where(read, tmp_path, monkeypatch):
    (tmp_path / "items.jsonl").write_text('{"id": 1, "title": "a"}\n{"id": 2, "title": "b"}\n')
    unchanged = source_inspection.make_inspection
    monkeypatch.setattr(
        source_inspection, "make_inspection", lambda pieces, *rest: _after(unchanged(pieces, *rest), tmp_path)
    )
    with pytest.raises(SourceError, match=r"items\.jsonl holds 2 lines or values, and 1 were read"):
        read(tmp_path)


def _after(inspect, folder):
    """Take the second line away once the inspection has seen it, as a reader that loses it would."""

    def run(batches):
        yield from [*inspect(batches)]
        (folder / "items.jsonl").write_text('{"id": 1, "title": "a"}\n')

    return run


def test_csv_keeps_texts_and_sets_aside_what_does_not_fit(read, tmp_path):
    text = 'id,title,tags,created_at\n007,None,"[\'green tea\']",1704164645000\n1,"open,x,\n2,a,b,c,d\n,lost,,\n3,ok,nan,\n'
    (tmp_path / "items.csv").write_text(text)
    notes, rejects = read(tmp_path)
    assert {key: (note["title"], note["topics"]) for key, note in notes.items()} == {
        "007": ("None", ["green tea"]),
        "3": ("ok", []),
    }
    assert notes["007"]["updated_at"] == datetime(2024, 1, 2, 3, 4, 5)
    assert sorted(reason for reason, _ in rejects) == ["note_id_missing", "row_unreadable", "row_unreadable"]


def test_daily_files_of_one_folder_are_one_source(read, tmp_path):
    (tmp_path / "1.csv").write_text("id,title\n1,a\n")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"title;id;text\nb;2;more\n"))
    (tmp_path / "3.csv").write_text("")
    notes, _ = read(tmp_path)
    assert {key: (note["title"], note["body"]) for key, note in notes.items()} == {"1": ("a", None), "2": ("b", "more")}


def test_parquet_files_of_one_folder_may_have_other_columns_and_types(read, tmp_path):
    days = tmp_path / "dt=2026-01-01" / "author=007", tmp_path / "dt=2026-01-02" / "author=__HIVE_DEFAULT_PARTITION__"
    for day in days:
        day.mkdir(parents=True)
    unused = pa.array([UUID(int=1).bytes], pa.uuid())
    time = pa.array([1704164645123456789], pa.timestamp("ns"))
    first = {"id": pa.array([1], pa.uint64()), "title": ["a"], "tags": pa.nulls(1), "trace": unused, "created_at": time}
    second = {
        "id": pa.array([2.0]),
        "title": pa.array([5]),
        "tags": [["x"]],
        "a.b`c": ["body"],
        "h": pa.array([1], "float16"),
    }
    pq.write_table(pa.table(first), days[0] / "part-0.parquet")
    pq.write_table(pa.table(second), days[1] / "part-0.parquet")
    notes, _ = read(tmp_path, "ingest.columns={body: 'a.b`c'}")
    assert {key: (note["title"], note["body"], note["author"], note["topics"]) for key, note in notes.items()} == {
        1: ("a", None, "007", []),
        2: ("5", "body", None, ["x"]),
    }
    assert notes[1]["updated_at"] == datetime(2024, 1, 2, 3, 4, 5, 123456)


def test_times_at_the_edges_stay(spark, make_run, tmp_path):
    micros = [-62_135_596_800_000_000, 253_402_300_799_000_000, 253_402_300_800_000_000]
    table = {"id": ["a", "b", "c"], "title": ["t"] * 3, "mtime": pa.array(micros, pa.timestamp("us"))}
    pq.write_table(pa.table(table), tmp_path / "items.parquet")
    run = make_run()
    found = read_source(run, find_source(str(tmp_path)), run.config.ingest, "test")
    times = {row[0]: row[1] for row in found.notes.selectExpr("note_id", "unix_micros(updated_at)").collect()}
    assert times == {"a": micros[0], "b": micros[1], "c": None}
    assert found.account.times_unreadable == 1
    found.rows.unpersist()


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (
            {"id": pa.array([1, 2]), "title": ["a", "b"]},
            ColumnTypeError,
            "from the column id, is int64 in .* string in",
        ),
        ({"id": [b"x", b"y"], "title": ["a", "b"]}, ColumnTypeError, "note_id must be a string or a whole number"),
        (
            {"id": ["1", "2"], "title": [b"x", b"y"]},
            ColumnTypeError,
            "title must be text; the source's column is binary",
        ),
        ({"id": ["1", "2"], "topics": [[["x"]], []]}, ColumnTypeError, "topics must be an array of strings"),
        ({"id": ["1", "2"], "image": [1, 2]}, ColumnTypeError, "images must be paths, URIs or bytes"),
        ({"id": ["1", "2"], "images": [[{"name": "x"}], []]}, ColumnTypeError, "images need one of uri, path"),
        (
            {"id": ["1", "2"], "title": ["a", "b"], "Title": ["c", "d"]},
            SourceColumnsError,
            "title and Title differ only",
        ),
    ],
)
def test_tables_that_cannot_be_used_are_refused(read, tmp_path, columns, error, message):
    pq.write_table(pa.table(columns), tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": ["9"], "body": ["c"]}), tmp_path / "2.parquet")
    with pytest.raises(error, match=message):
        read(tmp_path)


def test_a_delta_table_is_counted_by_its_log_and_read_by_place(read, tmp_path):
    table = pa.table(
        {"key": [1, 2], "a.b": ["x", "y"], "c`d": [["t"], None], "created_at": pa.array([0, None], "date32")}
    )
    write_deltalake(str(tmp_path / "notes"), table)
    notes, _ = read(tmp_path / "notes", "ingest.columns={title: a.b, topics: 'c`d'}")
    assert {key: (note["title"], note["topics"]) for key, note in notes.items()} == {1: ("x", ["t"]), 2: ("y", [])}
    assert notes[1]["updated_at"] == datetime(1970, 1, 1)


@pytest.mark.parametrize("name", ["notes[1]{b}*?#%20", "a\\b`c\nd"])
def test_the_named_source_is_read_whatever_its_name(read, tmp_path, name):
    for folder, title in ((name, "right"), ("notes1b", "wrong")):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"id": [1], "title": [title]}), tmp_path / folder / "items.parquet")
        (tmp_path / folder / "b.jsonl").write_text(json.dumps({"id": 1, "title": title}))
    for path in (tmp_path / name, tmp_path / name / "b.jsonl"):
        assert read(path)[0][1]["title"] == "right"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items.csv", "id,title\n1,crème\n".encode("cp1252"), r"items\.csv, line 2: .* --set ingest\.encoding"),
        (
            "items.jsonl",
            '{"id": 1, "title": "crème"}\n'.encode("cp1252"),
            r"items\.jsonl, line 1: .* --set ingest\.encoding",
        ),
        ("items.csv", b"id,title,TITLE\n1,a,b\n", "names a column more than once: TITLE, title"),
        ("items.csv", b"id,title\n", "no rows"),
        ("items.csv", b"", "no rows"),
        ("items.jsonl", b"\n \n", "no rows"),
        ("items.json", b"[]", "no rows"),
        ("items.json", b"oops", "no rows that can be read: line 1 does not parse"),
        ("items.jsonl", b'{"id": null, "title": "a"}\n', "none of the source's 1 rows is a note"),
        ("items.parquet", b"no Parquet", r"items\.parquet cannot be read as Parquet"),
        ("_items.parquet", b"", "only hidden files, which readers skip: _items.parquet"),
        (
            "items.jsonl.gz",
            gzip.compress(b'{"id": 1, "title": "a"}\n' * 99, mtime=0)[:40],
            r"items\.jsonl\.gz is damaged",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(read, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UninoteError, match=message):
        read(tmp_path)
