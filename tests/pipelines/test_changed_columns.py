"""A source whose schema changes between two nights: refused in one sentence before anything is written, or read as before."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import rows_at
from deltalake import DeltaTable, write_deltalake

from uninote.notes.ingest.columns import SourceColumnsError
from uninote.pipelines.notes.stage import ingest

pytestmark = pytest.mark.spark
NOTES = {"id": ["a", "b"], "title": ["soup", "bread"], "text": ["hot", "warm"], "tags": [["x"], ["y"]]}


@pytest.fixture(params=["parquet", "delta"])
def write(request, tmp_path):
    """Return what writes tonight's export."""

    def written(columns):
        place = tmp_path / ("export.parquet" if request.param == "parquet" else "export")
        if request.param == "parquet":
            pq.write_table(pa.table(columns), place)
        else:
            shutil.rmtree(place, ignore_errors=True)
            write_deltalake(place, pa.table(columns))
        return str(place)

    return written


@pytest.fixture
def night(make_run, tmp_path, write):
    def run_on(columns, *more):
        return ingest(make_run(f"lake={tmp_path}/lake", f"ingest.source={write(columns)}", *more))

    return run_on


def renamed(**names):
    return {names.get(name, name): values for name, values in NOTES.items()}


def bodies(tmp_path):
    return {row["note_id"]: (row["title"], row["body"], row["topics"]) for row in rows_at(f"{tmp_path}/lake/notes")}


BEFORE = {"a": ("soup", "hot", ["x"]), "b": ("bread", "warm", ["y"])}


def refused(night, tmp_path, columns, said):
    version = DeltaTable(f"{tmp_path}/lake/notes").version()
    with pytest.raises(SourceColumnsError, match=said) as caught:
        night(columns)
    assert "Nothing was written" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert DeltaTable(f"{tmp_path}/lake/notes").version() == version
    assert bodies(tmp_path) == BEFORE


def test_nights_of_another_schema(night, tmp_path):
    night(NOTES)
    assert bodies(tmp_path) == BEFORE
    assert night(NOTES)["state"] == "unchanged"

    # Renamed: to what nobody would guess, and to what somebody would.
    words = r"text, which gave the body of notes, is gone \(new in it: {}\).*--set ingest.columns.body=<column>"
    refused(night, tmp_path, renamed(text="words"), words.format("words"))
    refused(night, tmp_path, renamed(text="description"), words.format("description"))
    # Dropped.
    less = {name: values for name, values in NOTES.items() if name != "tags"}
    refused(night, tmp_path, less, "tags, which gave the topics of notes, is gone. Nothing.*accept_columns=true, once")
    # Of another type.
    refused(
        night,
        tmp_path,
        NOTES | {"title": [1, 2]},
        r"title, which gives the title of notes, was text and is numbers\. Nothing",
    )
    refused(night, tmp_path, NOTES | {"id": [1, 2]}, r"id, which gives the note_id of notes, was text and is numbers")

    # New: read as before, though one is what a body, and one what a category is called.
    more = NOTES | {"body": ["no", "no"], "category": ["p", "q"], "other": [1.5, 2.5]}
    assert night(more)["state"] == "unchanged"
    assert bodies(tmp_path) == BEFORE

    # Taken once somebody says so, by name or as it is; then that is what is known.
    assert night(renamed(text="words"), "ingest.columns.body=words")["state"] == "unchanged"
    assert night(less, "ingest.columns.body=text", "ingest.accept_columns=true")["updated"] == 2
    assert bodies(tmp_path)["a"] == ("soup", "hot", [])
    assert night(less)["state"] == "unchanged"
    assert night(less | {"title": [1, 2]}, "ingest.accept_columns=true")["updated"] == 2
    assert bodies(tmp_path)["a"][0] == "1"
    # A wider type of the same kind is none to speak of.
    assert night(less | {"title": pa.array([1, 2], pa.int32())})["state"] == "unchanged"


def test_keys_of_json_come_and_go(make_run, tmp_path):
    def night(line):
        (tmp_path / "items.jsonl").write_text(line + "\n")
        return ingest(make_run(f"lake={tmp_path}/lake", f"ingest.source={tmp_path}/items.jsonl"))

    night('{"id": "a", "title": "soup", "body": "hot", "tags": ["x"]}')
    assert night('{"id": "a", "title": "soup", "text": "hot"}')["updated"] == 1
