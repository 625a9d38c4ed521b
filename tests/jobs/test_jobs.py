"""The job scripts as a person runs them: exit codes, messages, and the literal spark-submit from another folder."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_note, write_source
from deltalake import DeltaTable

from uninote.install.conf import install_conf
from uninote.lake.lease.fence import APP
from uninote.lake.lease.lease import take
from uninote.lake.small_tables import read_all
from uninote.model.hashing.folder import write_card

ROOT = Path(__file__).parent.parent.parent


def run_in_process(job, arguments, capsys):
    """Run a job's main and return (exit code, its last line on stdout as JSON or null, stderr)."""
    code = runpy.run_path(str(ROOT / "jobs" / f"{job}.py"))["main"]([str(one) for one in arguments])
    printed = capsys.readouterr()
    last = printed.out.strip().splitlines()[-1:]
    return code, json.loads(last[0]) if last else None, printed.err


@pytest.mark.parametrize(
    "job", ["ingest", "embed", "index", "search", "neighbours", "report", "refresh", "train", "evaluate"]
)
def test_a_wrong_configuration_ends_with_2_and_every_problem(job, capsys):
    code, summary, stderr = run_in_process(job, ["--set", "neighbours.q=1", "--set", "embed.batch_tokens=many"], capsys)
    assert (code, summary) == (2, None)
    assert "neighbours.q: unknown key; accepted keys here: width, k" in stderr
    assert "embed.batch_tokens: input should be a valid integer; got 'many'" in stderr
    assert "Traceback" not in stderr


def test_an_index_is_planned_for_any_number_of_rows_without_data_or_spark(config_file, capsys, monkeypatch):
    monkeypatch.setattr("uninote.pipelines.job.open_session", None)
    arguments = ["--config", config_file, "--dry-run", "--rows", "1000000000", "--width", "256"]
    code, summary, _ = run_in_process("index", arguments, capsys)
    plan = summary["plans"]["index/w256"]
    assert (code, plan["rows"], plan["nlist"], plan["num_shards"]) == (0, 10**9, 126491, 1000)
    assert plan["bytes_per_shard"] > 10**6 * 72
    code, _, stderr = run_in_process("index", [*arguments, "--set", "index.num_shards=2"], capsys)
    assert code == 2
    assert "index.task_mib allows 2048" in stderr


@pytest.mark.spark
@pytest.mark.parametrize(
    ("job", "message"),
    [("embed", "there is no Delta table at {lake}/notes"), ("report", "nothing is embedded yet in {lake}")],
)
def test_a_missing_table_ends_with_1_and_what_to_run(spark, config_file, tmp_path, capsys, job, message):
    source = write_source(tmp_path / "source", [make_note("a")])
    code, summary, stderr = run_in_process(job, ["--config", config_file, "--set", f"ingest.source={source}"], capsys)
    assert (code, summary) == (1, None)
    assert f"error in {job}: {message.format(lake=tmp_path / 'lake')}" in stderr
    assert "Traceback" not in stderr


@pytest.mark.spark
def test_a_folder_that_is_no_checkpoint_ends_with_1(spark, config_file, tmp_path, capsys):
    source = write_source(tmp_path / "source", [make_note("a")])
    arguments = ["--config", config_file, "--set", f"ingest.source={source}", "--set", f"model.checkpoint={source}"]
    assert run_in_process("ingest", arguments, capsys)[0] == 0
    code, _, stderr = run_in_process("embed", arguments, capsys)
    assert code == 1
    assert "config.json cannot be read; found items.jsonl" in stderr
    assert "Traceback" not in stderr


@pytest.mark.slow
@pytest.mark.spark
def test_both_ways_to_start_a_job_work_from_another_folder_without_a_locale(config_file, tmp_path):
    """As cron does it: nothing activated, another Python named for the workers, no UTF-8, and names outside ASCII."""
    source, lake = write_source(tmp_path / "Sammlung ä", [make_note("a"), make_note("b")]), tmp_path / "löke 日本 #2"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYSPARK"))}
    environment |= {"SPARK_CONF_DIR": str(install_conf(tmp_path, ROOT / "conf")), "LC_ALL": "C"}
    environment["PATH"] = f"{Path(shutil.which('java')).parent}:/usr/bin:/bin"
    secret = "spark={spark.hadoop.fs.s3a.secret.key: hunter2, spark.sql.shuffle.partitions: 1}"
    model = tmp_path / "modèle"
    write_card(model, (64, 256))
    settings = (
        f"ingest.source={source}",
        f"lake={lake}",
        "model.kind=feature-hashing",
        f"model.checkpoint={model}",
        secret,
    )
    arguments = ["--config", str(config_file), *(word for one in settings for word in ("--set", one))]
    starts = (
        ([str(Path(sys.executable).parent / "spark-submit")], "ingest", {}),
        ([sys.executable], "embed", {"PYSPARK_PYTHON": "/usr/bin/no-such-python"}),
    )
    for start, job, others in starts:
        command = [*start, str(ROOT / "jobs" / f"{job}.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment | others, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout.strip().splitlines()[-1])
    assert summary["embedded"] == summary["notes_in"] == 2
    assert summary["tables"]["embeddings/w64"].startswith(str(lake))
    assert {"seconds", "notes_per_s", "unchanged", "quarantined", "deleted"} <= set(summary)
    assert {path.name for path in tmp_path.iterdir()} >= {lake.name, source.name}
    assert not [path for path in tmp_path.iterdir() if "?" in path.name]
    assert "hunter2" not in str(read_all(str(lake / "runs")))


@pytest.mark.spark
def test_a_second_job_on_a_lake_is_told_who_writes_and_readers_never_wait(spark, config_file, tmp_path, capsys):
    source = write_source(tmp_path / "source", [make_note("a")])
    arguments = ["--config", config_file, "--set", f"ingest.source={source}"]
    lease = take(str(tmp_path / "lake"), "refresh", "the-first", term_s=0.4)
    code, summary, stderr = run_in_process("ingest", arguments, capsys)
    assert (code, summary) == (1, None)
    assert "another run writes to this lake: refresh (run the-first, process" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "lake" / "notes").exists()
    code, summary, stderr = run_in_process("embed", [*arguments, "--dry-run"], capsys)
    assert "another run" not in stderr  # it writes nothing
    lease.release()
    assert run_in_process("ingest", arguments, capsys)[0] == 0
    table = DeltaTable(str(tmp_path / "lake" / "notes"))
    assert table.transaction_version(APP) >> 24 > lease.number
