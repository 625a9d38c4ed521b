"""How a job ends: exit codes and the one sentence, without Spark."""

from __future__ import annotations

import os
import signal

import pytest

from uninote.errors import UninoteError
from uninote.pipelines.job import run_job


@pytest.fixture
def end(config_file, capsys, monkeypatch):
    """Return a function from a job's work to (exit code, stdout, stderr)."""
    monkeypatch.setattr("uninote.pipelines.job.open_session", lambda *_: None)

    def run(work, *overrides):
        options = [option for one in overrides for option in ("--set", one)]
        code = run_job("probe", work, __file__, ["--config", str(config_file), *options])
        return code, *capsys.readouterr()

    return run


def fail(error):
    def work(run):
        raise error

    return work


def test_an_unknown_error_has_a_trace_only_when_asked_for(end, monkeypatch):
    code, out, err = end(fail(KeyError("strange")))
    assert (code, out) == (1, "")
    assert err.startswith("error in probe: KeyError: 'strange' (at ")
    assert err.count("\n") == 1
    monkeypatch.setenv("UNINOTE_TRACE", "1")
    assert "Traceback" in end(fail(KeyError("strange")))[2]


def test_what_is_told_holds_no_secret_and_moves_no_cursor(end):
    _, _, err = end(fail(UninoteError("a title \x1b[31mred\u202e, and password=hunter2")))
    assert err == "error in probe: a title \\x1b[31mred\\u202e, and password=[hidden]\n"


def test_the_summary_is_ascii(end):
    code, out, _ = end(lambda run: {"title": "\x9b日\u202e"})
    assert (code, out) == (0, '{"title": "\\u009b\\u65e5\\u202e"}\n')


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_being_stopped_is_a_sentence(end, number, code):
    ended, out, err = end(lambda run: os.kill(os.getpid(), number))
    assert (ended, out) == (code, "")
    assert err.startswith(f"error in probe: stopped by a signal ({int(number)}). What was committed before it stays")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_lake_that_can_be_none_is_told_before_spark_starts(end, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for lake, stands in (("file", "file"), ("file/lake", "file"), ("link", "link")):
        code, _, err = end(lambda run: {}, f"lake={tmp_path / lake}")
        assert code == 1
        assert f"lake: {tmp_path / lake} is no folder: {tmp_path / stands} is a file or a broken link" in err


def test_a_lake_mounted_read_only_is_told_before_spark_starts(end, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, so nothing real is refused here
    code, _, err = end(lambda run: {}, f"lake={tmp_path / 'lake'}")
    assert code == 1
    assert f"lake: {tmp_path} cannot be written to by this user" in err
