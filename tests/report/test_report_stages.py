"""Which run the stages of a report are of, on a real ledger and without Spark."""

from __future__ import annotations

import time

from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, newest_entries, record
from uninote.pipelines.report.stages import behind, run_of, seconds_of, stage_rows

OLD = {"items": 1, "embeddings/w16": 1}
NEW = {"items": 2, "embeddings/w16": 2}


def write(run, stage, unit="all", state="done", seconds=10.0, **versions):
    outcome = Outcome(state, {"rows": 5}, versions.get("inputs", {}), versions.get("outputs", {}))
    record(run, stage, unit, outcome, time.time() - seconds)


def first_run(run):
    write(run, "ingest", outputs={"notes": 3})
    write(run, "embed", "chunk 1", seconds=500)
    write(run, "embed", "chunk 2", seconds=400)
    write(run, "embed", inputs={"notes": 3}, outputs=OLD, seconds=1000)
    write(run, "index", "w16", inputs=OLD)
    write(run, "neighbours", inputs=OLD)
    write(run, "report")


def test_a_report_shows_times_and_counts_of_its_own_run(make_run):
    first_run(make_run("first"))
    update = make_run("second")
    write(update, "ingest", state="unchanged", outputs={"notes": 3}, seconds=4)
    write(update, "embed", inputs={"notes": 3}, outputs=OLD, seconds=6)
    update.stage_seconds.update({"ingest": 4.0, "embed": 6.0, "index": 1.0, "neighbours": 1.0})
    entries = newest_entries(update)
    rows = {row.stage: row for row in stage_rows(update, entries)}
    assert list(rows) == ["ingest", "embed", "index w16", "neighbours"]  # and no chunk of the first run
    assert [row.is_of_this_run for row in rows.values()] == [True, True, False, False]
    assert [row.state for row in rows.values()] == ["unchanged", "done", "unchanged", "unchanged"]
    assert round(rows["embed"].seconds) == 6
    assert (run_of(update, entries), seconds_of(update, tuple(rows.values()))) == ("second", 12.0)
    assert behind(newest_snapshot(update), entries) == ()


def test_a_report_alone_is_about_the_last_run(make_run):
    first_run(make_run("first"))
    alone = make_run("alone")
    entries = newest_entries(alone)
    rows = stage_rows(alone, entries)
    assert run_of(alone, entries) == "first"
    assert all(row.is_of_this_run and row.state == "done" for row in rows)
    assert [row.stage for row in rows if "chunk" in row.stage] == ["embed chunk 1", "embed chunk 2"]
    assert round(seconds_of(alone, rows)) == 1030  # chunks are parts of embed


def test_what_was_made_of_older_tables_is_named(make_run):
    first_run(make_run("first"))
    later = make_run("later")
    write(later, "ingest", outputs={"notes": 4})
    assert behind(newest_snapshot(later), newest_entries(later)) == ("embeddings",)
    write(later, "embed", inputs={"notes": 4}, outputs=NEW)
    assert behind(newest_snapshot(later), newest_entries(later)) == ("index w16", "neighbours")
    write(later, "index", "w16", inputs=NEW)
    assert behind(newest_snapshot(later), newest_entries(later)) == ("neighbours",)


def test_an_embed_that_was_killed_is_unfinished(make_run):
    run = make_run("first")
    first_run(run)
    write(make_run("killed"), "embed", state="started")
    row = stage_rows(run, newest_entries(run))[-1]
    assert (row.stage, row.state) == ("embed", "unfinished")
