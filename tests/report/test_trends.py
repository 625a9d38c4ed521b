"""Figures over runs, out of a real ledger and without Spark."""

from __future__ import annotations

import time

from uninote.pipelines.lake.run import Outcome, record
from uninote.pipelines.report.trends import RUNS, trends


def write(run, stage, unit, counts, metrics=None, seconds=10.0, ago=0.0):
    record(run, stage, unit, Outcome("done", counts, metrics=metrics or {}), time.time() - ago - seconds)


def test_each_figure_has_the_runs_that_measured_it(make_run):
    embedded = {"notes_in": 100, "embedded": 50, "quarantined": 2}
    first, second = make_run("first"), make_run("second")
    write(first, "embed", "all", embedded, {"health_mean_cosine": 0.25, "cut_share": 0.1}, ago=100)
    write(first, "index", "w16", {"bytes": 1000}, {"recall_at_k": 0.9}, ago=90)
    write(first, "index", "w8", {"bytes": 500}, {"recall_at_k": 0.8}, ago=80)
    write(first, "neighbours", "all", {}, {"recall_at_k": 0.99}, ago=70)
    write(second, "embed", "all", {**embedded, "embedded": 0}, ago=20)
    write(second, "index", "w16", {"bytes": 1200}, {"recall_at_k": 0.7}, ago=10)
    found = {trend.name: [value for _, value in trend.points] for trend in trends(second)}
    assert found["notes"] == [100, 100]
    assert found["share quarantined"] == [0.02, 0.02]
    assert found["share of texts cut"] == [0.1]
    assert found["health mean cosine"] == [0.25]
    assert found["recall of the lists"] == [0.99]
    assert (found["recall of index w16"], found["recall of index w8"]) == ([0.9, 0.7], [0.8])
    assert found["bytes of indexes"] == [1500, 1700]  # w8 stood as it was
    assert len(found["notes embedded a second"]) == 1  # a run that embedded nothing has no rate


def test_only_the_last_runs_are_shown(make_run):
    for number in range(RUNS + 3):
        counts = {"notes_in": number, "embedded": 0, "quarantined": 0}
        write(make_run(f"run {number}"), "embed", "all", counts, ago=100_000 - number * 60)
    notes = next(trend for trend in trends(make_run("now")) if trend.name == "notes")
    assert [value for _, value in notes.points] == list(range(3, RUNS + 3))
