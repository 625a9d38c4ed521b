"""Ingest: the notes table says what the source says, and every row is accounted for."""

from __future__ import annotations

import pytest
from builders import make_note, rows_at, write_source

from uninote.notes.ingest.columns import SourceColumnsError
from uninote.notes.ingest.sources import SourceError
from uninote.pipelines.lake import tables
from uninote.pipelines.notes.note_ids import NoteIdError
from uninote.pipelines.notes.stage import ingest

pytestmark = pytest.mark.spark


@pytest.fixture
def ingested(make_run, tmp_path):
    """Return a function that ingests some notes and returns (summary, note_id -> row)."""

    def run_on(notes):
        run = make_run(f"ingest.source={write_source(tmp_path / 'source', notes)}")
        summary = ingest(run)
        return summary, {row["note_id"]: row for row in rows_at(summary["tables"]["notes"])}

    return run_on


def test_inserts_updates_and_deletes_are_found_and_counted(ingested):
    ingested([make_note("a"), make_note("b"), make_note("c")])
    summary, rows = ingested([make_note("a"), make_note("b", title="new"), make_note("d")])
    assert {name: summary[name] for name in ("notes", "inserted", "updated", "deleted")} == {
        "notes": 3,
        "inserted": 1,
        "updated": 1,
        "deleted": 1,
    }
    assert rows["b"]["title"] == "new"
    assert set(rows) == {"a", "b", "d"}


def test_the_same_source_again_is_not_read_and_writes_nothing(ingested, make_run, capsys):
    first, _ = ingested([make_note("a")])
    run = make_run()
    version = tables.table_version(run.lake.uri("notes"))
    capsys.readouterr()
    summary, _ = ingested([make_note("a")])
    assert "rows read" not in capsys.readouterr().err
    assert summary == first | {"state": "unchanged", "inserted": 0}
    assert tables.table_version(run.lake.uri("notes")) == version
    # What somebody else made of the notes is found, and undone.
    run.spark.sql(f"UPDATE delta.`{run.lake.uri('notes')}` SET title = 'other'")
    summary, rows = ingested([make_note("a")])
    assert (summary["updated"], rows["a"]["title"]) == (1, make_note("a")["title"])


def test_rows_without_id_and_lines_that_do_not_parse_are_quarantined_not_lost(make_run, tmp_path):
    source = write_source(tmp_path / "source", [make_note("a"), make_note(None), make_note("  ")])
    with (source / "items.jsonl").open("a") as file:
        file.write('{"note_id": "b", "title": \n')
    run = make_run(f"ingest.source={source}")
    summary = ingest(run)
    assert (summary["rows_in"], summary["notes"], summary["quarantined"]) == (4, 1, 3)
    reasons = [row["reason"] for row in rows_at(run.lake.uri("quarantine"))]
    assert sorted(reasons) == ["note_id_missing", "note_id_missing", "row_unreadable"]


def test_a_repeated_note_id_stops_the_run_before_anything_is_written(make_run, tmp_path):
    source = write_source(tmp_path / "source", [make_note("a"), make_note("a"), make_note("b")])
    run = make_run(f"ingest.source={source}")
    with pytest.raises(NoteIdError, match=r"1 repeat or are null: a \(2 times\)\. Nothing was written"):
        ingest(run)
    assert not tables.has_table(run.lake.uri("notes"))


def test_ids_of_another_type_need_another_lake(ingested):
    ingested([make_note("a")])
    with pytest.raises(NoteIdError, match="this lake's note_id is string, the source's is bigint"):
        ingested([make_note(1)])


def test_a_source_without_rows_is_refused(make_run, tmp_path):
    (tmp_path / "items.jsonl").touch()
    with pytest.raises(SourceError, match="no rows"):
        ingest(make_run(f"ingest.source={tmp_path}"))


def test_a_chosen_column_that_is_missing_is_refused(make_run, tmp_path):
    source = write_source(tmp_path / "source", [make_note("a")])
    with pytest.raises(SourceColumnsError, match="body: txt"):
        ingest(make_run(f"ingest.source={source}", "ingest.columns.body=txt"))


@pytest.mark.parametrize("kind", ["parquet", "delta", "csv", "json"])
def test_tables_and_other_files_give_the_same_notes(spark, make_run, tmp_path, kind):
    frame = spark.createDataFrame(
        [("a", "t", "b"), ("c", 'with "quotes"\nand lines', "d")], "id string, title string, text string"
    )
    path = tmp_path / "source"
    if kind == "json":
        path = tmp_path / "items.json"
        path.write_text(frame.toPandas().to_json(orient="records"))
    elif kind == "csv":
        path = tmp_path / "items.csv"
        frame.toPandas().to_csv(path, index=False)
    else:
        frame.write.format(kind).save(str(path))
    run = make_run(f"ingest.source={path}")
    summary = ingest(run)
    rows = rows_at(summary["tables"]["notes"])
    assert {(row["note_id"], row["title"], row["body"]) for row in rows} == {tuple(row) for row in frame.collect()}
