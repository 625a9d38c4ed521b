"""A small source compared in the driver: the changes that Spark finds, and what is left to Spark."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import make_note, rows_at

from uninote.lake.row_changes import DELETED
from uninote.notes.ingest.sources import SourceError, find_source
from uninote.pipelines.lake import tables
from uninote.pipelines.notes import stage as ingest_stage
from uninote.pipelines.notes.source import small as small_source
from uninote.pipelines.notes.source.rows import inspect_source, read_inspected
from uninote.pipelines.notes.source.small import compare

pytestmark = pytest.mark.spark
MONDAY, TUESDAY = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
STORED = [
    make_note("same", topics=["a", None], updated_at=MONDAY),
    make_note("text", body=None),
    make_note("topics", topics=["a"]),
    make_note("time", updated_at=MONDAY),
    make_note("gone"),
]
SOURCE = [
    make_note("same", topics=["a", None], updated_at=MONDAY),
    make_note("text", body="there now"),
    make_note("topics", topics=["a", "b"]),
    make_note("time", updated_at=TUESDAY),
    make_note("new"),
]


@pytest.fixture
def inspected(make_run, tmp_path):
    """Return a function from rows of a source to (a run on a lake of the notes STORED, what is known of that source)."""

    def make(rows, name="source.parquet"):
        pq.write_table(pa.Table.from_pylist(STORED), tmp_path / "stored.parquet")
        run = make_run(f"ingest.source={tmp_path / 'stored.parquet'}")
        ingest_stage.ingest(run)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        return run, inspect_source(run, find_source(str(tmp_path / name)), run.config.ingest, "test")

    return make


def by_id(rows):
    return {row["note_id"]: row for row in rows}


def test_the_driver_finds_the_changes_that_spark_finds(inspected):
    run, source = inspected(SOURCE)
    uri = run.lake.uri("notes")
    found = compare(source, uri)
    assert (found.counts, found.rows, found.stored) == ({"inserted": 1, "updated": 3, "deleted": 1}, 5, 5)
    mine = by_id(found.changes.to_pylist())
    read = read_inspected(run, source, "test")
    theirs = ingest_stage._changes(tables.read_table(run.spark, uri), read.notes).toArrow()
    theirs = by_id(theirs.select(found.changes.column_names).to_pylist())
    read.rows.unpersist()
    assert set(mine) == set(theirs) == {"text", "topics", "time", "new", "gone"}
    assert {name: row for name, row in mine.items() if name != "gone"} == {
        name: row for name, row in theirs.items() if name != "gone"
    }
    assert mine["gone"][DELETED]
    assert theirs["gone"][DELETED]
    found.apply(uri)
    assert set(by_id(rows_at(uri))) == {row["note_id"] for row in SOURCE}
    again = compare(source, uri)
    assert len(again.changes) == 0
    version = tables.table_version(uri)
    again.apply(uri)
    assert tables.table_version(uri) == version  # an empty commit would look like news


@pytest.mark.parametrize(
    "rows",
    [
        [make_note("a"), make_note("a")],  # of a repeated id Spark says which
        [make_note("a"), {"note_id": None, "title": "no id"}],  # a row that is no note goes into quarantine
        [make_note("a", images=["a.png"])],  # texts in images may be read
        [make_note(7)],  # ids of another type than the lake's
    ],
    ids=["repeated", "no-note", "images", "type"],
)
def test_what_is_not_plain_is_left_to_spark(inspected, rows):
    run, source = inspected(rows)
    assert compare(source, run.lake.uri("notes")) is None


def test_many_rows_are_left_to_spark(inspected, monkeypatch):
    run, source = inspected(SOURCE)
    monkeypatch.setattr(small_source, "MOST_READ", 4)
    assert compare(source, run.lake.uri("notes")) is None
    monkeypatch.setattr(small_source, "MOST_READ", 5)
    monkeypatch.setattr(small_source, "MOST_ROWS", 4)
    assert compare(source, run.lake.uri("notes")) is None
    monkeypatch.setattr(small_source, "MOST_ROWS", 5)
    assert len(compare(source, run.lake.uri("notes")).changes) == 5


def test_rows_that_went_missing_on_the_way_are_an_error(inspected, tmp_path):
    run, source = inspected(SOURCE)
    pq.write_table(pa.Table.from_pylist(SOURCE[:3]), tmp_path / "source.parquet")
    with pytest.raises((SourceError, OSError, pa.ArrowException)):
        compare(source, run.lake.uri("notes"))
