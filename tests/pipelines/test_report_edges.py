"""The report and the worked example on lakes at the edge: one note, no neighbours, times that Python lacks, controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_note, write_notes, write_source

from uninote.model.hashing.folder import write_card
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.neighbours.stage import neighbours
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.report import examples
from uninote.pipelines.report.examples import worked_example
from uninote.pipelines.report.stage import report

pytestmark = pytest.mark.spark
TIMES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:00:00-12:00", None)


@pytest.fixture
def run_on(make_run, tmp_path):
    """Return a function from overrides to a run of a small, quick encoder on notes of `tmp_path / "source"`."""
    write_card(tmp_path / "hashing", [16])
    common = (f"model.checkpoint={tmp_path / 'hashing'}", "model.kind=feature-hashing", "embed.widths=null")
    return lambda *overrides: make_run(f"ingest.source={tmp_path / 'source'}", *common, *overrides)


def page_of(run):
    return Path(report(run)["report"]).read_text(encoding="utf-8")


def test_a_lake_of_one_note_has_a_report(run_on, tmp_path):
    write_source(tmp_path / "source", [make_note("only", updated_at=TIMES[0])])
    for stage in (ingest, embed, neighbours):
        stage(run_on())
    assert "all 1 notes accounted for" in page_of(run_on())
    assert worked_example(run_on()) == ""


def test_examples_are_the_same_whoever_reads_the_tables(run_on, tmp_path, monkeypatch):
    notes = [
        make_note(f"n{number}", title=f"title {number % 5}", topics=["a", str(number % 3)]) for number in range(20)
    ]
    write_source(tmp_path / "source", notes)
    for stage in (ingest, embed, neighbours):
        stage(run_on("neighbours.k=3"))
    run = run_on("neighbours.k=3")
    here = examples.find_examples(run, 7)
    monkeypatch.setattr(examples, "_SMALL_BYTES", 0)
    by_spark = examples.find_examples(run, 7)
    assert len(here.lists) == 7
    assert {note_id: [dict(one) for one in others] for note_id, others in here.lists.items()} == {
        note_id: [one.asDict() for one in others] for note_id, others in by_spark.lists.items()
    }
    assert here.rows == {note_id: row.asDict(recursive=True) for note_id, row in by_spark.rows.items()}


@pytest.mark.long
def test_times_at_the_edges_controls_and_notes_that_went_are_no_trouble(run_on, tmp_path):
    title = "\x1b[31mred\x9b\u202e same words"
    notes = [make_note(f"n{at}", title=title, body="same words", updated_at=time) for at, time in enumerate(TIMES)]
    write_source(tmp_path / "source", notes)
    run = run_on("neighbours.k=1")
    for stage in (ingest, embed, neighbours):
        stage(run)
    page, example = page_of(run), worked_example(run)
    assert "\\x1b[31mred\\x9b\\u202e same words" in example
    assert not set(example) & set("\x1b\x9b\u202e")
    assert "red\ufffd\ufffd same words" in page
    assert not set(page) & set("\x1b\x9b\u202e")
    write_notes(run, [make_note("n0", title="alone")])  # the lists are older than the notes
    assert "alone" not in worked_example(run_on("neighbours.k=1"))
