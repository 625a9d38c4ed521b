"""A note that is taken down, through the nights of a lake: it stays out, and what the lake held of it goes."""

from __future__ import annotations

import pytest
from builders import make_note, rows_at, write_source

import uninote
from uninote.lake.takedowns.orders import add, remove
from uninote.neighbours.lookup import lookup
from uninote.pipelines.index.search import search
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.release import stage as release_stage
from uninote.pipelines.report.examples import find_examples, sample_of
from uninote.pipelines.report.stage import report
from uninote.pipelines.stages import STAGES, run_stage

pytestmark = pytest.mark.spark

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking")
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=4", "index.num_shards=2", "index.pq_m=8")


def note(number):
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5))
    return make_note(f"n{number}", title=words, body=f"{words} {number}")


@pytest.fixture
def run_of(make_run, tmp_path, quick_model):
    write_source(tmp_path / "source", map(note, range(24)))
    return lambda *more: make_run(f"ingest.source={tmp_path}/source", *quick_model, *SETTINGS, *more)


def night(run):
    return {name: run_stage(run, name) for name in STAGES if name != "report"}


def test_ingest_leaves_it_out_until_it_is_let_in_again(run_of):
    run = run_of()
    add(run.lake.root, ["n3", "n99"], "why")
    first = ingest(run)
    assert (first["rows_in"], first["notes"], first["quarantined"], first["taken_down"]) == (24, 23, 0, 1)
    assert ingest(run_of())["state"] == "unchanged"
    add(run.lake.root, ["n4"], "why")
    second = ingest(run_of())
    assert (second["notes"], second["deleted"], second["taken_down"]) == (22, 1, 2)
    assert {"n3", "n4"}.isdisjoint(row["note_id"] for row in rows_at(run.lake.uri("notes")))
    remove(run.lake.root, ["n3"])
    third = ingest(run_of())
    assert (third["notes"], third["inserted"], third["taken_down"]) == (23, 1, 1)


def test_what_is_ordered_is_no_half_written_export(run_of, tmp_path):
    run = run_of()
    write_source(tmp_path / "source", map(note, range(300)))
    ingest(run)
    add(run.lake.root, [f"n{number}" for number in range(150)], "why")
    assert ingest(run_of())["deleted"] == 150


def test_an_order_while_a_refresh_runs_is_obeyed_by_readers_and_not_called_done(run_of, monkeypatch, tmp_path):
    run = run_of("embed.kinds=[note, text]")
    judge = release_stage.judge

    def judge_and_order(case):
        found = judge(case)
        add(run.lake.root, ["n5"], "why")
        return found

    monkeypatch.setattr(release_stage, "judge", judge_and_order)
    said = night(run)["release"]
    assert (said["release"], said["taken_down_meanwhile"]) == (1, 1)
    lists = lookup(run.lake.root, [f"n{number}" for number in range(24)])
    assert len(lists) == 23
    assert "n5" not in {other for entries in lists.values() for other, _ in entries}
    assert "n5" not in shown_in_report(run_of("embed.kinds=[note, text]"))
    output = f"{tmp_path}/found"
    counts = search(run_of("embed.kinds=[note, text]", "search.items=text", "search.k=5", f"search.output={output}"))
    assert (counts["queries"], counts["answered"]) == (23, 23)
    found = {row["query_id"]: row["neighbours"] for row in rows_at(output)}
    assert not {query for query in found if query.startswith("n5#")}
    assert all(len(entries) == 5 for entries in found.values())
    assert "n5" not in {one["note_id"] for entries in found.values() for one in entries}
    assert uninote.open_release(run.lake.root).id == 1


def shown_in_report(run):
    """Return the ids of the notes that a report shows."""
    report(run)
    sample = sample_of(run, find_examples(run, 24), 24)
    named = {other for entries in sample.lists.values() for other, _ in entries} | set(sample.lists)
    assert named == {one.note_id for one in sample.notes}
    return named
