"""When the report that stands is left as it is, on a real ledger and without Spark."""

from __future__ import annotations

import os
import time

import pytest

from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, newest_entries, record
from uninote.pipelines.report.freshness import BYTES, MAP_BYTES, stands, state_shown

TABLES = {"items": 1, "embeddings/w16": 1}
COUNTS = {"notes_in": 5, "quarantined": 0, "degraded": 0, "embedded": 5}


def embedded(run, state="done", outputs=TABLES, **counts):
    outcome = Outcome(state, COUNTS | counts, {"notes": 3}, outputs)
    record(run, "embed", "all", outcome, time.time())


def state_of(run):
    return state_shown(run, newest_snapshot(run), newest_entries(run))


@pytest.fixture
def night(make_run):
    """A lake whose report was written, and the run that wrote it."""
    run = make_run("first")
    embedded(run)
    record(run, "neighbours", "all", Outcome("done", {}, TABLES), time.time())
    page = run.lake.uri("report.html")
    with open(page, "w", encoding="utf-8") as file:
        file.write("a page")
    record(run, "report", "all", Outcome("done", {BYTES: 6}, fingerprint=state_of(run)), time.time())
    return run, page


def test_a_night_without_changes_leaves_the_report(night, make_run):
    _, page = night
    later = make_run("later")
    record(later, "ingest", "all", Outcome("unchanged", {}, outputs={"notes": 3}), time.time())
    embedded(later, embedded=0, unchanged=5)
    assert stands(later, {BYTES: page}, state_of(later))


def test_whatever_the_report_shows_makes_it_anew(night, make_run):
    _, page = night
    later = make_run("later")
    embedded(later, quarantined=1)
    assert not stands(later, {BYTES: page}, state_of(later))
    embedded(later)
    assert stands(later, {BYTES: page}, state_of(later))
    record(later, "index", "w16", Outcome("done", {}, TABLES), time.time())
    assert not stands(later, {BYTES: page}, state_of(later))


def test_other_vectors_and_an_embed_that_was_killed_make_it_anew(night, make_run):
    _, page = night
    later = make_run("later")
    embedded(later, state="started", outputs=TABLES)
    assert not stands(later, {BYTES: page}, state_of(later))
    embedded(later, outputs={"items": 2, "embeddings/w16": 2})
    assert not stands(later, {BYTES: page}, state_of(later))


def test_a_report_that_is_gone_or_was_cut_short_does_not_stand(night):
    run, page = night
    assert stands(run, {BYTES: page}, state_of(run))
    with open(page, "w", encoding="utf-8") as file:
        file.write("a")
    assert not stands(run, {BYTES: page}, state_of(run))
    os.remove(page)
    assert not stands(run, {BYTES: page}, state_of(run))


def test_a_map_stands_as_long_as_the_page_that_was_written_does(night):
    run, page = night
    places = {BYTES: page, MAP_BYTES: run.lake.uri("map.html")}
    assert stands(run, places, state_of(run))  # notes had no codes: there was none
    with open(places[MAP_BYTES], "w", encoding="utf-8") as file:
        file.write("a map")
    record(run, "report", "all", Outcome("done", {BYTES: 6, MAP_BYTES: 5}, fingerprint=state_of(run)), time.time())
    assert stands(run, places, state_of(run))
    os.remove(places[MAP_BYTES])
    assert not stands(run, places, state_of(run))
