"""Progress: rows reported from running tasks, the time that is left, and the file for programs."""

from __future__ import annotations

import json
import pickle
import socket
import time

import pyarrow as pa
import pytest

from udfs.arrow import counting
from udfs.row_reports import REPORT, RowCount
from uninote.pipelines.runtime.pace import Pace
from uninote.pipelines.runtime.progress import line, step
from uninote.pipelines.runtime.progress_file import FILE, progress_file, publish, publish_stage
from uninote.pipelines.runtime.row_listener import RowListener


def ignore(rows):
    """Stand in for Spark's counter, which nothing here reads."""


def until(condition, seconds=5.0):
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_rows_of_a_running_task_reach_the_driver():
    with RowListener("127.0.0.1") as listener:
        count = pickle.loads(pickle.dumps(RowCount(ignore, listener.address, listener.token)))
        count.add(40)
        assert until(lambda: listener.rows == 40)
        count.add(2)  # too soon after the first to be worth a datagram
        time.sleep(0.3)
        count.add(3)
        assert until(lambda: listener.rows == 45)


def test_a_repeated_task_counts_once_and_strangers_not_at_all():
    with RowListener("127.0.0.1") as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        token = listener.token
        sent = [(token, 3, 0, 100), (token, 3, 0, 40), (token, 3, 1, 7), (bytes(len(token)), 3, 2, 1000)]
        for report in sent:
            sender.sendto(REPORT.pack(*report), listener.address)
        sender.sendto(b"short", listener.address)
        sender.sendto(REPORT.pack(token, 3, 3, 1) + b"x", listener.address)
        sender.sendto(REPORT.pack(token, 4, 0, 1), listener.address)
        assert until(lambda: listener.rows == 108)


def test_a_task_counts_though_nobody_listens():
    counted = []
    RowCount(counted.append, None).add(5)
    with RowListener("127.0.0.1") as listener:
        address = listener.address
    RowCount(counted.append, address).add(6)
    RowCount(counted.append, ("no-such-host.invalid", 9)).add(7)
    assert counted == [5, 6, 7]


def test_nothing_is_said_of_the_time_left_before_the_first_rows():
    pace = Pace(10, started=0.0)
    pace.saw(0, 50.0)
    assert (pace.seconds_left(50.0), pace.rate) == (None, 0.0)
    assert line("embed", pace, 50.0, None) == "embed: 0 / 10 (0%) in 50 s, 0.0/s"
    pace.saw(12, 60.0)  # of a task that Spark ran twice
    assert line("embed", pace, 60.0, 0.0) == "embed: 10 / 10 (100%) in 60 s, 0.2/s"
    unknown = Pace(0, started=0.0)  # of a source whose rows only the reader knows
    unknown.saw(5, 1.0)
    unknown.saw(10, 2.0)
    assert line("ingest", unknown, 4.0, unknown.seconds_left(2.0)) == "ingest: 10 in 4 s, 2.5/s"


def test_batches_of_a_task_are_counted_as_they_are_made():
    done = []
    batch = pa.record_batch({"a": [1, 2, 3]})
    made = counting(lambda batches: iter([*batches, batch.slice(1)]), done.append)(iter([batch]))
    assert (next(made), done) == (batch, [3])
    assert (len(list(made)), done) == (1, [3, 2])


def test_the_file_says_what_a_job_does_and_how_it_ended(tmp_path):
    def found():
        return json.loads((tmp_path / FILE).read_bytes())

    with progress_file(str(tmp_path), "refresh", "run-1"):
        assert (found()["state"], found()["run_id"], found()["job"]) == ("running", "run-1", "refresh")
        publish(stage="embed", doing="embed: model", done=5, total=10, seconds_left=2.5)
        assert (found()["stage"], found()["done"], found()["total"], found()["seconds_left"]) == ("embed", 5, 10, 2.5)
        publish_stage("embed", 12.34)
        assert (found()["stage"], found()["done"], found()["stages"]) == ("", None, {"embed": 12.3})
        with step("index: k-means"):
            assert found()["doing"] == "index: k-means"
        assert found()["doing"] == ""
    assert found()["state"] == "done"
    with pytest.raises(ZeroDivisionError), progress_file(str(tmp_path), "embed", "run-2"):
        raise ZeroDivisionError
    assert (found()["state"], found()["run_id"]) == ("failed", "run-2")
    publish(stage="nobody's")  # no job runs
    assert found()["stage"] == ""


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    with progress_file(str(tmp_path / "not there"), "embed", "run-1"):
        publish(stage="embed")
    assert list(tmp_path.iterdir()) == []


def test_a_step_says_how_long_it_took(capsys):
    with step("index w64: k-means"):
        pass
    assert capsys.readouterr().err == "index w64: k-means: 0.0 s\n"
