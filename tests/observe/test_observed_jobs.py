"""Jobs that are observed: how each way to end is told, and what a stage on a real lake tells."""

from __future__ import annotations

import json
import os
import runpy
import signal
from pathlib import Path

import pytest
from builders import make_note, write_source
from formats import check_event, read_prometheus

from uninote.errors import ConfigError, UninoteError
from uninote.pipelines.job import run_job
from uninote.pipelines.release.errors import GateError
from uninote.pipelines.runtime.progress_file import publish

ROOT = Path(__file__).parents[2]


@pytest.fixture
def watched(tmp_path) -> tuple[list[str], Path, Path]:
    """Return settings that observe a job in every way, and the files for metrics and events."""
    metrics, events = tmp_path / "uninote.prom", tmp_path / "events.jsonl"
    settings = [f"observe.prometheus={metrics}", f"observe.openlineage={events}", "observe.log=json"]
    return [word for one in settings for word in ("--set", one)], metrics, events


def fail(error):
    def work(run):
        raise error

    return work


def exit_code_told(metrics: Path) -> float:
    (code,) = [value for (name, _), value in read_prometheus(metrics.read_text()).items() if name.endswith("exit_code")]
    return code


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda run: {}, 0),
        (fail(UninoteError("no")), 1),
        (fail(KeyError("strange")), 1),
        (fail(ConfigError("no")), 2),
        (fail(GateError("no")), 3),
        (lambda run: os.kill(os.getpid(), signal.SIGINT), 130),
        (lambda run: os.kill(os.getpid(), signal.SIGTERM), 143),
    ],
    ids=["done", "an error of ours", "another error", "a wrong configuration", "a gate", "SIGINT", "SIGTERM"],
)
def test_the_exit_code_is_the_one_that_is_told(config_file, watched, monkeypatch, capsys, work, code):
    monkeypatch.setattr("uninote.pipelines.job.open_session", lambda *_: None)
    settings, metrics, events = watched
    assert run_job("probe", work, __file__, ["--config", str(config_file), *settings]) == code
    assert exit_code_told(metrics) == code
    last = json.loads(events.read_text().splitlines()[-1])
    assert last["eventType"] == ("FAIL" if code else "COMPLETE")
    (line,) = [json.loads(one) for one in capsys.readouterr().err.splitlines() if one.startswith('{"event"')]
    assert (line["exit_code"], line["error"] is None) == (code, code == 0)


def test_the_next_run_tells_the_end_of_one_that_was_killed(config_file, watched, monkeypatch, capsys):
    monkeypatch.setattr("uninote.pipelines.job.open_session", lambda *_: None)
    settings, _, events = watched
    arguments = ["--config", str(config_file), *settings]

    def die(run):
        publish(stage="embed")
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        run_job("refresh", die, __file__, arguments)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert [run_job("refresh", lambda run: {}, __file__, arguments) for _ in range(2)] == [0, 0]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    for event in told:
        check_event(event)
    assert [event["eventType"] for event in told] == [
        "START",
        "START",
        "ABORT",
        "ABORT",
        "COMPLETE",
        "START",
        "COMPLETE",
    ]
    assert told[2]["run"]["facets"]["parent"]["run"]["runId"] == told[3]["run"]["runId"] == told[0]["run"]["runId"]
    assert (told[2]["job"]["name"], told[3]["job"]["name"]) == ("refresh.embed", "refresh")
    said = [json.loads(one) for one in capsys.readouterr().err.splitlines() if one.startswith('{"event"')]
    assert [(one["state"], one.get("stage")) for one in said] == [("killed", "embed"), ("done", None), ("done", None)]


def test_a_lake_that_cannot_be_is_told_before_spark_starts(config_file, watched, tmp_path, monkeypatch):
    monkeypatch.setattr("uninote.pipelines.job.open_session", None)
    settings, metrics, _ = watched
    (tmp_path / "file").write_text("x")
    arguments = ["--config", str(config_file), *settings, "--set", f"lake={tmp_path / 'file'}"]
    assert run_job("ingest", lambda run: {}, __file__, arguments) == 1
    assert exit_code_told(metrics) == 1


@pytest.mark.spark
def test_a_stage_tells_its_counts_and_the_versions_of_its_tables(spark, config_file, watched, tmp_path, capsys):
    settings, metrics, events = watched
    source = write_source(tmp_path / "source", [make_note("a"), make_note("b")])
    ingest = runpy.run_path(str(ROOT / "jobs" / "ingest.py"))["main"]
    arguments = ["--config", str(config_file), *settings, "--set", f"ingest.source={source}"]
    assert ingest(arguments) == 0
    said = [json.loads(one) for one in capsys.readouterr().err.splitlines() if one.startswith('{"event"')]
    assert [(one["event"], one["state"]) for one in said] == [("stage", "done"), ("run", "done")]
    assert said[0]["counts"]["all"]["notes"] == 2
    told = [json.loads(line) for line in events.read_text().splitlines()]
    for event in told:
        check_event(event)
    (stage,) = [event for event in told if event["job"]["name"] == "ingest.ingest" and event["eventType"] == "COMPLETE"]
    assert [one["name"] for one in stage["inputs"]] == [str(source)]
    (notes,) = stage["outputs"]
    assert notes["name"] == str(tmp_path / "lake" / "notes")
    assert int(notes["facets"]["version"]["datasetVersion"]) >= 1
    labels = {"lake": str(tmp_path / "lake"), "job": "ingest", "stage": "ingest", "unit": "all", "name": "notes"}
    assert read_prometheus(metrics.read_text())["uninote_stage_value", frozenset(labels.items())] == 2

    assert ingest(arguments) == 0
    again = [json.loads(one) for one in capsys.readouterr().err.splitlines() if one.startswith('{"event"')]
    assert (again[0]["state"], again[0]["counts"]["all"]["notes"]) == ("unchanged", 2)
