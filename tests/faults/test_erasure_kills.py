"""An erasure that is killed, of a lake with two models and indexes elsewhere: run again, nothing is left of the note."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from builders import make_note, write_source
from killing import Job, Moment, killed_run
from refresh_nights import LONG_AGO, held_of
from scene import run_here
from watching import Watcher

import uninote
from uninote.cli.command import main as command
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.takedowns.orders import add, read_orders
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake import tables
from uninote.takedown.traces import traces_in

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.long]

SEED = int(os.environ.get("UNINOTE_FAULT_SEED", "1"))
TAKEN = "note-00007"
WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking", "museum", "noodle", "boots")
CONFIG = """\
lake: {folder}/lake
ingest: {{source: {folder}/source}}
model: {{kind: feature-hashing}}
embed: {{widths: [64, 32], undeclared_widths: true}}
index: {{folder: "{folder}/indexes", nlist: 4, num_shards: 2, pq_m: 8}}
neighbours: {{k: 4, recall_sample: 20}}
gates: {{lost_neighbours_new_model: 1}}
spark: {{spark.ui.enabled: "false", spark.sql.shuffle.partitions: "2", spark.databricks.delta.snapshotPartitions: "1"}}
"""


def note(number: int) -> dict[str, object]:
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7))
    return make_note(f"note-{number:05d}", title=f"{words} {number}", body=f"{words[::-1]} as of {number}")


@pytest.fixture(scope="module")
def arguments(spark, tmp_path_factory):
    """Return a function from a model to the arguments of a refresh with it, in a folder that a lake is in after two nights."""
    folder = tmp_path_factory.mktemp("erasure")
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder / "now"))

    def of(model: str) -> list[str]:
        return ["--config", str(folder / "config.yaml"), "--set", f"model.checkpoint={folder}/{model}"]

    write_source(folder / "now" / "source", map(note, range(40)))
    for seed, model in enumerate(("old", "new")):
        write_card(folder / model, (64, 128), seed=seed)
        assert run_here("refresh", of(model)) == 0
    assert len(list((folder / "now" / "indexes").iterdir())) == 2
    shutil.copytree(folder / "now", folder / "before")
    return folder, of


def put_back(folder: Path, spark) -> Path:
    """Make the folder what it was after two nights, with an order since, and return the lake."""
    shutil.rmtree(folder / "now")
    shutil.copytree(folder / "before", folder / "now")
    tables.forget_logs(spark)
    lake = folder / "now" / "lake"
    for path in lake.rglob("*.parquet"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    add(str(lake), [TAKEN], "an order")
    return lake


def test_an_erasure_that_is_killed_and_run_again(arguments, spark, capfd):
    folder, of = arguments
    lake = put_back(folder, spark)
    held = held_of(lake, [TAKEN])
    assert len(held.keys) >= 2
    places = {str(lake): "", str(folder / "now" / "indexes"): ""}
    assert any("indexes" in trace.path for trace in traces_in(places, held.marks_for))
    with Watcher(lake) as watcher:
        assert run_here("refresh", of("new")) == 0
    seen = watcher.counts()
    check(lake, places, held)
    removals = seen["removal in erasure"]
    for count in (1, *random.Random(SEED).sample(range(2, removals), 3), removals):
        lake = put_back(folder, spark)
        moment = Moment("removal in erasure", count, 0.0)
        log = folder / "killed.log"
        was_killed = killed_run(Job("refresh", of("new"), log, is_ahead=False), lake, "group", moment)
        assert was_killed or count > removals // 2, log.read_text()[-2000:]
        assert run_here("refresh", of("new")) == 0
        assert "unexpected " not in capfd.readouterr().err
        check(lake, places, held)


def check(lake: Path, places: dict[str, str], held) -> None:
    """Raise AssertionError unless nothing is left of the note, the list says so, and readers have the others."""
    assert list(traces_in(places, held.marks_for)) == []
    assert command(["takedown", "prove", TAKEN, "--lake", str(lake)]) == 0
    assert [order.note_id for order in read_orders(str(lake))] == [None]
    opened = uninote.open_release(str(lake))
    # Both that had it ended; one that a killed run had published, without it, may be kept.
    assert min(read_pointer(str(lake)).kept) > 2
    assert len(opened.lookup([f"note-{number:05d}" for number in range(40)])) == 39
    assert opened.index().verify()["live"] == 39
