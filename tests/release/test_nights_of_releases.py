"""Nights of a lake with releases: what readers see, what a failed gate leaves, what a rollback and retention do."""

from __future__ import annotations

import os

import pytest
from builders import make_note, rows_at, write_source
from deltalake import DeltaTable

import uninote
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import ReleaseError, read_release
from uninote.neighbours.lookup import lookup
from uninote.pipelines.release.errors import GateError
from uninote.pipelines.stages import STAGES, refresh, run_stage
from uninote.releases.changes import roll_back

pytestmark = [pytest.mark.spark, pytest.mark.more]

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking")
SETTINGS = (
    "neighbours.k=4",
    "embed.widths=[64]",
    "index.nlist=4",
    "index.num_shards=2",
    "index.pq_m=8",
    "neighbours.full_share=0.5",
)


def note(number, text=""):
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5))
    return make_note(str(number), title=words, body=f"{text} {number}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The lake and the source that the tests of this file take through their nights, in their order."""
    return tmp_path_factory.mktemp("releases")


@pytest.fixture
def run_of(make_run, folder, quick_model):
    return lambda *more: make_run(
        f"lake={folder}/lake", f"ingest.source={folder}/source", *quick_model, *SETTINGS, *more
    )


def night(run):
    """Run the stages of a refresh but for the report, and return what the release stage said."""
    return {name: run_stage(run, name) for name in STAGES if name != "report"}["release"]


def lists(release):
    return {row["note_id"]: row["neighbours"] for row in release.table("neighbours").to_pyarrow_table().to_pylist()}


@pytest.fixture(scope="module")
def opened():
    """The releases that tests of this file opened, and the lists they had, by the number of the night."""
    return {}


def test_a_night_makes_a_release_that_stays_as_it_is(run_of, folder, opened):
    lake = f"{folder}/lake"
    write_source(folder / "source", [note(number) for number in range(40)])
    first = night(run_of())
    assert (first["state"], first["release"], set(first["gates"].values())) == ("done", 1, {"passed", "skipped"})
    opened[1] = uninote.open_release(lake)
    opened["lists of 1"] = lists(opened[1])
    # Opened before the next night: its files have to stay.
    opened["index of 1"] = opened[1].index()
    assert lookup(lake, ["7"]) == opened[1].lookup(["7"])

    changed = [note(number, "edited" if number < 4 else "") for number in range(1, 44)]
    write_source(folder / "source", changed)
    assert night(run_of())["release"] == 2
    opened[2] = uninote.open_release(lake)
    opened["lists of 2"] = lists(opened[2])
    assert "43" in opened["lists of 2"]
    assert "0" not in opened["lists of 2"]
    assert lists(opened[1]) == opened["lists of 1"]
    assert opened[1].lookup(["0"])["0"]
    assert lookup(lake, ["0", "43"]).keys() == {"43"}
    keys = {row["note_id"]: row["item_key"] for row in opened[1].table("items").to_pyarrow_table().to_pylist()}
    assert set(opened["index of 1"].verify().items()) >= {("live", len(keys))}
    assert opened[2].index().manifest.live == 43


def test_a_night_without_changes_makes_no_release(run_of, folder):
    before = read_pointer(f"{folder}/lake")
    assert night(run_of())["state"] == "unchanged"
    assert read_pointer(f"{folder}/lake") == before


def test_a_failed_gate_leaves_readers_what_they_had(run_of, folder, opened, capsys):
    lake = f"{folder}/lake"
    write_source(folder / "source", [note(number) for number in range(1, 44)] + [make_note("bad", title="", body="")])
    with pytest.raises(
        GateError, match=r"release 3 did not pass 1 of .* gates, and readers go on seeing release 2.*set_aside"
    ):
        refresh(run_of("gates.set_aside=0.001"))
    assert read_pointer(lake).live == 2
    assert lookup(lake, ["43"]) == opened[2].lookup(["43"])
    assert [gate.name for gate in read_release(lake, 3).failed_gates] == ["set_aside"]
    assert "release" in (folder / "lake" / "report.html").read_text(encoding="utf-8")
    # Once somebody said so it goes live, and that is written down.
    forced = night(run_of("gates.set_aside=0.001", "refresh.force=true"))
    assert (forced["release"], forced["forced"]) == (4, True)
    assert read_release(lake, 4).forced
    assert read_pointer(lake).live == 4


def test_a_rollback_is_what_the_next_night_goes_on_from(run_of, folder, opened):
    lake = f"{folder}/lake"
    assert roll_back(lake, 1).live == 1
    assert lookup(lake, ["0", "43"]).keys() == {"0"}
    used = {row["item_key"] for row in rows_at(run_of().generation.uri("items"))}
    # The same source as when release 1 was made, and one note more.
    write_source(folder / "source", [note(number) for number in (*range(40), 99)])
    run = run_of()
    refresh(run)
    now = uninote.open_release(lake)
    assert (now.id, read_pointer(lake).work_from, read_pointer(lake).rejected) == (5, None, (2, 4))
    items = {row["note_id"]: row for row in now.table("items").to_pyarrow_table().to_pylist()}
    before = {row["note_id"]: row for row in opened[1].table("items").to_pyarrow_table().to_pylist()}
    # What release 1 had was not embedded again, and the key of a note that a rejected release had is not given out again.
    assert {note_id: row for note_id, row in items.items() if note_id != "99"} == before
    assert items["99"]["item_key"] > max(used)
    assert set(lists(now)) == {str(number) for number in (*range(40), 99)}
    assert now.index().verify()["live"] == 41


def test_retention_keeps_what_kept_releases_need_and_nothing_else(run_of, folder):
    lake = f"{folder}/lake"
    with pytest.raises(ReleaseError, match=r"release 3 of .* is not kept"):
        uninote.open_release(lake, 3)
    before = {number: lists(uninote.open_release(lake, number)) for number in (1, 5)}
    run = run_of("retention.releases=2", "retention.reader_hours=0")
    assert run_stage(run, "retention")["files_removed"] == 0  # the last hour's files stay, whatever nobody needs
    for path in (folder / "lake").rglob("*.parquet"):
        os.utime(path, (10**9, 10**9))
    said = run_stage(run, "retention")
    assert said["files_removed"] > 20
    assert said["releases_kept"] == 2
    assert read_pointer(lake).kept == (1, 5)
    for number, known in before.items():
        kept = uninote.open_release(lake, number)
        assert lists(kept) == known
        kept.index().verify()
        for uri, version in kept.tables.values():
            assert DeltaTable(uri, version=version).to_pyarrow_table().num_rows >= 0
    with pytest.raises(ReleaseError, match=r"release 4 of .* is not kept; kept are: 1, 5"):
        uninote.open_release(lake, 4)
    # And the next night goes on as if nothing had been removed.
    write_source(folder / "source", [note(number) for number in (*range(39), 99)])
    assert night(run)["release"] == 6
