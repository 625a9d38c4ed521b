"""Processes killed at random moments, then the same command again: every note once, equal to an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from builders import make_image, make_note, write_config, write_source

from udfs.arrow import to_matrix
from uninote.config.loading import load_config
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.stage import ingest

pytestmark = [pytest.mark.spark, pytest.mark.long]

ROOT = Path(__file__).parent.parent.parent
SETTINGS = ("embed.widths=[64]", "embed.chunk_items=21", "embed.items_per_task=6", "embed.batch_tokens=256")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Notes with text and images, one of them broken."""
    tmp_path = tmp_path_factory.mktemp("kills")
    make_image(tmp_path / "source" / "a.png")
    (tmp_path / "source" / "cut.png").write_bytes(b"\x89PNG")
    notes = [make_note(f"n{number}", images=["a.png"] if number % 3 == 0 else []) for number in range(40)]
    return write_source(tmp_path / "source", [*notes, make_note("bad", title="", body="", images=["cut.png"])])


def contents(run):
    """Return what is stored: items, what is set aside, and the vectors with their keys, by item_id."""
    items = tables.read_table(run.spark, run.generation.uri("items")).orderBy("item_id").collect()
    aside = tables.read_table(run.spark, run.generation.uri("set_aside")).drop("run_id").collect()
    table = tables.read_table(run.spark, run.generation.uri("embeddings/w64")).orderBy("item_id").toArrow()
    keys = table.select(["item_id", "item_key", "content_hash"]).to_pylist()
    return items, aside, keys, to_matrix(table["vector"].combine_chunks())


def assert_equal(found, expected):
    assert found[:3] == expected[:3]
    assert np.einsum("nd,nd->n", found[3], expected[3]).min() > 1 - 1e-5


@pytest.fixture(scope="module")
def undisturbed(spark, source, demo_folder, tmp_path_factory):
    """What an undisturbed run leaves, in a lake of its own."""
    config = write_config(tmp_path_factory.mktemp("undisturbed"), demo_folder)
    run = Run(spark, load_config(config, (f"ingest.source={source}", *SETTINGS)))
    ingest(run)
    embed(run)
    return contents(run)


def begin(config_file, lake, *overrides):
    command = [sys.executable, str(ROOT / "jobs" / "embed.py"), "--config", str(config_file), "--set", f"lake={lake}"]
    for override in (*SETTINGS, *overrides):
        command += ["--set", override]
    return subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def wait_for(process, told):
    lines = []
    for line in process.stderr:
        lines.append(line)
        if told in line:
            return
    raise AssertionError(f"the job ended without saying {told!r}:\n{''.join(lines)[-3000:]}")


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.strip().splitlines()[-1])


def test_a_driver_killed_again_and_again(make_run, config_file, source, undisturbed, tmp_path):
    run = make_run(f"ingest.source={source}", *SETTINGS)
    ingest(run)
    dice = random.Random(7)
    for told in ("chunk 1, model:", "chunk 2, model:"):
        process = begin(config_file, run.lake.root)
        wait_for(process, told)
        time.sleep(dice.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    summary = finish(begin(config_file, run.lake.root))
    assert summary["notes_in"] == 41
    assert summary["computed"] < 41
    assert_equal(contents(run), undisturbed)


def test_python_workers_killed_while_the_model_runs(make_run, source, undisturbed):
    run = make_run(f"ingest.source={source}", *SETTINGS)
    ingest(run)
    stop, killed = threading.Event(), []

    def kill():
        dice = random.Random(3)
        while not stop.wait(dice.uniform(1.0, 2.0)) and len(killed) < 3:
            if workers := descendants(os.getpid(), "udfs.daemon"):
                os.kill(max(workers), signal.SIGKILL)
                killed.append(1)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        summary = embed(run)
    finally:
        stop.set()
        thread.join()
    assert killed
    assert (summary["notes_in"], summary["quarantined"]) == (41, 1)
    assert_equal(contents(run), undisturbed)


def test_an_executor_killed_while_the_model_runs(make_run, config_file, source, undisturbed):
    run = make_run(f"ingest.source={source}", *SETTINGS)
    ingest(run)
    process = begin(config_file, run.lake.root, 'spark={"spark.master": "local-cluster[2,1,1024]"}')
    wait_for(process, "chunk 1, model:")
    executors = descendants(process.pid, "CoarseGrainedExecutorBackend")
    assert len(executors) == 2
    os.kill(executors[0], signal.SIGKILL)
    assert finish(process)["notes_in"] == 41
    assert_equal(contents(run), undisturbed)


def descendants(root, told):
    """Return the pids of the processes below `root` whose command line holds `told`."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
    found = []
    for pid, command in commands.items():
        above = parents[pid]
        while above not in (0, root) and above in parents:
            above = parents[above]
        if above == root and told in command:
            found.append(pid)
    return sorted(found)
