"""A week of nights with edits, deletes, a new model, a rollback and a takedown, while readers of three kinds look on.

After each night what readers see is what a lake made anew from the same notes has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from builders import make_note, write_source
from deltalake import DeltaTable

import uninote
from uninote.cli.command import main as command
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import ReleaseError
from uninote.model.hashing.folder import write_card
from uninote.neighbours.lookup import lookup
from uninote.pipelines.release.resume import resume
from uninote.pipelines.stages import STAGES, run_stage
from uninote.releases.changes import roll_back

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.long]

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking", "museum", "noodle", "boots")
SETTINGS = (
    "neighbours.k=5",
    "neighbours.tables={same_category: {same: [category]}}",
    "embed.widths=[128, 64]",
    "embed.undeclared_widths=true",
    "index.nlist=4",
    "index.num_shards=2",
    "index.pq_m=8",
    "retention.releases=2",
    "retention.reader_hours=0",
)


def note(number, text=""):
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7))
    return make_note(str(number), title=words, body=f"{text} {words[::-1]} {number}", category=f"c{number % 3}")


def age_files(lake):
    """Make all files look old, so that retention takes what nothing needs at once."""
    for path in lake.rglob("*.parquet"):
        os.utime(path, (10**9, 10**9))


class Readers:
    """Readers of three kinds, each of which looks again and again, and what each found wrong."""

    def __init__(self, lake: str) -> None:
        self.lake = lake
        self.wrong: list[str] = []
        self.looks = {"release": 0, "deltalake": 0, "lookup": 0}
        self._stop = threading.Event()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let them read meanwhile."""
        threads = [threading.Thread(target=self._loop, args=(name,)) for name in self.looks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _loop(self, name: str) -> None:
        while not self._stop.wait(0.2):
            try:
                getattr(self, f"_{name}")()
                self.looks[name] += 1
            except Exception as error:
                self.wrong.append(f"{name}: {type(error).__name__} {error}")

    def _release(self) -> None:
        opened = uninote.open_release(self.lake)
        items = opened.table("items").to_pyarrow_table(columns=["note_id"])["note_id"].to_pylist()
        time.sleep(0.05)  # as long as a refresh may go on meanwhile
        for name in ("neighbours", "same_category"):
            rows = opened.table(name).to_pyarrow_table().to_pylist()
            assert sorted(row["note_id"] for row in rows) == sorted(items), (
                f"release {opened.id}: {name} has other notes"
            )
            named = {one["note_id"] for row in rows for one in row["neighbours"]}
            assert named <= set(items), f"release {opened.id}: {name} names {sorted(named - set(items))}"
        assert opened.index(64).manifest.live == len(items)

    def _deltalake(self) -> None:
        opened = uninote.open_release(self.lake)
        uri, version = opened.tables["neighbours"]
        assert DeltaTable(uri, version=version).to_pyarrow_table().num_rows > 0

    def _lookup(self) -> None:
        lookup(self.lake, ["5", "6"])


@pytest.fixture
def lake(tmp_path):
    return f"{tmp_path}/lake"


@pytest.fixture
def models(tmp_path):
    """Two encoders without weights, of which the second takes the place of the first."""
    write_card(tmp_path / "old", (64, 128))
    write_card(tmp_path / "new", (64, 128), seed=9)
    return {name: (f"model.checkpoint={tmp_path}/{name}", "model.kind=feature-hashing") for name in ("old", "new")}


def expected_lists(opened, k=5):
    """Return note -> the exact neighbours by the release's own vectors of its widest width."""
    rows = opened.table("embeddings/w128").to_pyarrow_table()
    notes = rows["note_id"].to_pylist()
    vectors = np.stack(rows["vector"].to_numpy(zero_copy_only=False))
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return {note: np.sort(scores[place])[::-1][:k] for place, note in enumerate(notes)}


def check(lake, numbers):
    """Raise AssertionError unless readers see exactly these notes, with the neighbours that exact search has."""
    opened = uninote.open_release(lake)
    exact = expected_lists(opened)
    assert set(exact) == set(map(str, numbers))
    found = {row["note_id"]: row["neighbours"] for row in opened.table("neighbours").to_pyarrow_table().to_pylist()}
    assert set(found) == set(exact)
    hits = [
        np.isclose([one["score"] for one in found[note]], best[: len(found[note])], atol=1e-3).mean()
        for note, best in exact.items()
    ]
    assert np.mean(hits) > 0.97
    assert opened.index(128).verify()["live"] == len(exact)
    for number in read_pointer(lake).kept:
        for uri, version in uninote.open_release(lake, number).tables.values():
            DeltaTable(uri, version=version).to_pyarrow_table()


def test_a_week_of_nights(make_run, tmp_path, lake, models):
    def night(numbers, model="old", edited=(), *more):
        age_files(tmp_path / "lake")
        write_source(tmp_path / "source", [note(number, "edited" if number in edited else "") for number in numbers])
        run = make_run(f"lake={lake}", f"ingest.source={tmp_path}/source", *models[model], *SETTINGS, *more)
        resume(run)
        return {name: run_stage(run, name) for name in STAGES if name != "report"}["release"]

    night(range(60))
    readers = Readers(lake)
    with readers.reading():
        check(lake, range(60))
        night(range(3, 66), "old", (5, 6, 7))  # inserts, edits, deletes
        check(lake, range(3, 66))
        third = night((*range(3, 40), *range(41, 70)))["release"]
        check(lake, (*range(3, 40), *range(41, 70)))
        upgraded = night(range(3, 70), "new", (8,), "gates.lost_neighbours_new_model=1")
        assert upgraded["state"] == "done"
        check(lake, range(3, 70))
        generations = {uninote.open_release(lake, number).release.generation for number in read_pointer(lake).kept}
        assert len(generations) == 2
        # Back over the upgrade, after notes had changed in between.
        assert roll_back(lake).live == third
        check(lake, (*range(3, 40), *range(41, 70)))
        night(range(3, 72), "old", (9,))
        check(lake, range(3, 72))
        assert uninote.open_release(lake).release.generation in generations
        assert command(["takedown", "add", "12", "--why", "an order", "--lake", lake]) == 0
        assert "12" not in lookup(lake, ["12", "13"])
        night(range(3, 72), "old", (10,))
        check(lake, [number for number in range(3, 72) if number != 12])
        night(range(3, 72), "old", (10,))
    assert readers.wrong == []
    assert min(readers.looks.values()) > 5
    with pytest.raises(ReleaseError, match="is not kept"):
        uninote.open_release(lake, 1)
