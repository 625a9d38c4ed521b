"""What other programs are told of a run, without Spark."""

from __future__ import annotations

import json
import os
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from formats import check_event, read_prometheus

from uninote.config.loading import load_config
from uninote.config.sections.observe import ObserveConfig
from uninote.errors import ConfigError
from uninote.observe.json_log import JsonLog
from uninote.observe.lineage_sinks import API_KEY, sink_of
from uninote.observe.observers import Observers, observers_of
from uninote.observe.openlineage import OpenLineage, run_uuid
from uninote.observe.prometheus import Prometheus
from uninote.observe.records import RunStart, StageEnd, Table, now
from uninote.pipelines.runtime.progress import say

NOTES = Table("s3a://bucket/lake/notes", 7)
STAGE = StageEnd(
    "embed",
    "done",
    now(),
    12.5,
    counts={"all": {"embedded": 3}},
    metrics={"all": {"model_s": 0.25}},
    inputs=(NOTES,),
    outputs=(Table("/lake/gen/items", 2), Table("/lake/gen/index/w64")),
)


def start(job: str = "refresh", lake: str = "/lake") -> RunStart:
    return RunStart("20261127T010203-abcdef", job, lake, now())


def tell(
    *observers, run: RunStart | None = None, stages=(STAGE,), code: int = 0, error: str | None = None
) -> list[str]:
    """Tell observers a whole run, and return what people were warned of."""
    warned: list[str] = []
    told = Observers(run or start(), observers, warned.append)
    told.run_started()
    for stage in stages:
        told.stage_started(stage.stage)
        told.stage_ended(lambda stage=stage: stage)
    told.run_ended(code, error)
    return warned


def value(samples, metric: str, /, **labels: str) -> float:
    return samples[metric, frozenset(({"lake": "/lake", "job": "refresh"} | labels).items())]


def test_nobody_is_told_by_default():
    assert observers_of(ObserveConfig()) == []


def test_a_line_of_json_for_each_stage_and_the_run(capsys):
    assert tell(JsonLog(), code=1, error="a title \x1b[31m, and password=hunter2") == []
    stage, run = map(json.loads, capsys.readouterr().err.splitlines())
    assert (stage["event"], stage["run_id"], stage["job"]) == ("stage", "20261127T010203-abcdef", "refresh")
    assert (stage["stage"], stage["state"], stage["seconds"]) == ("embed", "done", 12.5)
    assert stage["counts"] == {"all": {"embedded": 3}}
    assert (run["event"], run["state"], run["exit_code"]) == ("run", "failed", 1)
    assert "hunter2" not in run["error"]


@pytest.fixture
def metrics(tmp_path):
    """Return a file for metrics, and a function that reads it strictly."""
    path = tmp_path / "uninote.prom"
    return path, lambda: read_prometheus(path.read_text())


def test_metrics_of_a_run(metrics):
    path, read = metrics
    assert tell(Prometheus(str(path))) == []
    samples = read()
    assert value(samples, "uninote_run_exit_code") == 0
    assert value(samples, "uninote_stage_duration_seconds", stage="embed") == 12.5
    assert value(samples, "uninote_stage_state", stage="embed", state="done") == 1
    assert value(samples, "uninote_stage_value", stage="embed", unit="all", name="embedded") == 3
    assert value(samples, "uninote_stage_value", stage="embed", unit="all", name="model_s") == 0.25
    ended = value(samples, "uninote_run_end_timestamp_seconds")
    assert value(samples, "uninote_run_success_timestamp_seconds") == pytest.approx(ended, abs=1)
    assert abs(ended - now().timestamp()) < 60


def test_prometheus_own_parser_takes_the_file(metrics):
    parser = pytest.importorskip("prometheus_client.parser")
    path, read = metrics
    tell(Prometheus(str(path)), run=start(lake='/odd "lake"\\\nhere'))
    families = list(parser.text_string_to_metric_families(path.read_text()))
    theirs = {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
    assert theirs == read()
    assert all(family.documentation and family.type == "gauge" for family in families)


def test_a_failed_run_keeps_the_time_of_the_last_good_one(metrics):
    path, read = metrics
    tell(Prometheus(str(path)))
    good = value(read(), "uninote_run_success_timestamp_seconds")
    tell(Prometheus(str(path)), stages=[StageEnd("embed", "failed", now(), 1.0, error="no")], code=3)
    samples = read()
    assert value(samples, "uninote_run_success_timestamp_seconds") == good
    assert value(samples, "uninote_run_exit_code") == 3
    assert value(samples, "uninote_stage_state", stage="embed", state="failed") == 1
    assert ("uninote_stage_state", "done") not in {(name, dict(labels).get("state")) for name, labels in samples}


def test_other_jobs_and_lakes_stay_in_the_file(metrics):
    path, read = metrics
    odd = 'a "lake"\\with\nlines'
    tell(Prometheus(str(path)), run=start("report", odd))
    before = set(read())
    tell(Prometheus(str(path)))
    tell(Prometheus(str(path)))
    assert before < set(read())
    assert len([key for key in read() if key[0] == "uninote_run_exit_code"]) == 2


def test_the_file_is_whole_at_any_moment_and_others_may_read_it(metrics):
    path, read = metrics
    tell(Prometheus(str(path)))
    stop, torn = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            try:
                assert ("uninote_run_exit_code", frozenset({("lake", "/lake"), ("job", "refresh")})) in read()
            except Exception as error:
                torn.append(error)

    reader = threading.Thread(target=watch)
    reader.start()
    for _ in range(50):
        tell(Prometheus(str(path)))
    stop.set()
    reader.join()
    assert torn == []
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_is_not_ours_is_not_replaced(tmp_path):
    path = tmp_path / "node.prom"
    path.write_text("up 1\n")
    (warned,) = tell(Prometheus(str(path)))
    assert "was not written by uninote" in warned
    assert path.read_text() == "up 1\n"


def test_events_name_the_run_its_stages_and_versions_of_tables(tmp_path):
    path = tmp_path / "events.jsonl"
    assert tell(OpenLineage(sink_of(str(path)), "search")) == []
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        check_event(event)
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("refresh", "START"),
        ("refresh.embed", "START"),
        ("refresh.embed", "COMPLETE"),
        ("refresh", "COMPLETE"),
    ]
    stage = events[2]
    assert stage["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"] == run_uuid(start().run_id)
    assert stage["run"]["runId"] == events[1]["run"]["runId"]
    (notes,) = stage["inputs"]
    assert (notes["namespace"], notes["name"]) == ("s3://bucket", "lake/notes")
    assert notes["facets"]["version"]["datasetVersion"] == "7"
    assert [(one["namespace"], one["name"], len(one["facets"])) for one in stage["outputs"]] == [
        ("file", "/lake/gen/items", 1),
        ("file", "/lake/gen/index/w64", 0),
    ]


def test_a_failed_stage_is_fail_with_its_sentence_and_without_secrets(tmp_path):
    path = tmp_path / "events.jsonl"
    failed = StageEnd("index", "failed", now(), 1.0, error="no disk, token=hunter2")
    tell(OpenLineage(sink_of(str(path)), "uninote"), stages=[failed], code=1, error=failed.error)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        check_event(event)
    assert [event["eventType"] for event in events] == ["START", "START", "FAIL", "FAIL"]
    assert events[2]["run"]["facets"]["errorMessage"]["message"] == "no disk, token=[hidden]"


@pytest.fixture
def server():
    """A server that takes events: yields (url, received bodies, received headers, statuses to answer with)."""
    bodies, headers, statuses = [], [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            headers.append(dict(self.headers))
            self.send_response(statuses.pop() if statuses else 201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    serving = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}/api/v1/lineage", bodies, headers, statuses
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_events_go_to_a_server_with_the_key_of_the_environment(server, monkeypatch):
    url, bodies, headers, _ = server
    monkeypatch.setenv(API_KEY, "k3y")
    assert tell(OpenLineage(sink_of(url), "uninote")) == []
    assert [body["eventType"] for body in bodies] == ["START", "START", "COMPLETE", "COMPLETE"]
    assert {one["Authorization"] for one in headers} == {"Bearer k3y"}
    for body in bodies:
        check_event(body)


def test_a_server_that_refuses_is_said_once_and_not_asked_again(server):
    url, bodies, _, statuses = server
    statuses.append(500)
    (warned,) = tell(OpenLineage(sink_of(url), "uninote"))
    assert warned.startswith("observe.openlineage: HTTPError: HTTP Error 500")
    assert len(bodies) == 1


def test_one_that_fails_leaves_the_others_working(tmp_path, capsys):
    gone = tmp_path / "none" / "events.jsonl"
    path = tmp_path / "uninote.prom"
    (warned,) = tell(OpenLineage(sink_of(str(gone)), "uninote"), JsonLog(), Prometheus(str(path)))
    assert warned.startswith("observe.openlineage: FileNotFoundError")
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert path.is_file()


def test_a_terminal_that_is_gone_fails_nobody(tmp_path, monkeypatch):
    class Gone:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    path = tmp_path / "uninote.prom"
    told = Observers(start(), [JsonLog(), Prometheus(str(path))], say)
    told.stage_ended(lambda: STAGE)
    told.run_ended(0, None)
    assert path.is_file()


def test_what_a_stage_did_may_fail_to_be_told():
    def fails() -> StageEnd:
        raise ValueError("no such table")

    warned: list[str] = []
    told = Observers(start(), [JsonLog()], warned.append)
    told.stage_ended(fails)
    assert "ValueError: no such table" in warned[0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("observe.openlineage=ftp://host/x", "http:// or https://"),
        ("observe.openlineage=s3://bucket/x", "http:// or https://"),
        ("observe.openlineage=https://user:pass@host/x", "credentials"),
        ("observe.prometheus=s3://bucket/x.prom", "a file on this machine"),
        ("observe.log=xml", "'text' or 'json'"),
    ],
)
def test_places_that_cannot_be_are_refused(tmp_path, setting, message):
    path = tmp_path / "config.yaml"
    path.write_text("lake: lake\n")
    with pytest.raises(ConfigError, match=message):
        load_config(path, [setting])
