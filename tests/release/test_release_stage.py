"""The release stage on one small lake: what it pins, what it lets through, and what readers of each kind see of it."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from builders import make_note, write_source
from deltalake import DeltaTable, write_deltalake

import uninote
from uninote.cli.command import main as command
from uninote.lake.delta_files import set_property
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import ReleaseError, read_release
from uninote.lake.upkeep.vacuum import RetentionError
from uninote.neighbours.lookup import lookup
from uninote.pipelines.preview import preview
from uninote.pipelines.release.errors import GateError
from uninote.pipelines.stages import STAGES, run_stage
from uninote.releases.explaining import explain

pytestmark = pytest.mark.spark

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking")
SETTINGS = (
    "neighbours.k=4",
    "neighbours.tables={other_category: {different: [category]}, far: {min_score: 2}}",
    "embed.widths=[64]",
    "index.nlist=4",
    "index.num_shards=2",
    "index.pq_m=8",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The lake and the source that the tests of this file share, in their order."""
    return tmp_path_factory.mktemp("release")


@pytest.fixture
def run_of(make_run, folder, quick_model):
    return lambda *more: make_run(
        f"lake={folder}/lake", f"ingest.source={folder}/source", *quick_model, *SETTINGS, *more
    )


def change(run):
    """Give the neighbour table a new version, as a night without a change of any list would."""
    uri = run.generation.uri("neighbours")
    set_property(uri, "test.version", str(DeltaTable(uri).version()))


def test_what_a_run_left_becomes_a_release_for_readers_of_every_kind(run_of, folder, spark, capsys):
    lake, run = f"{folder}/lake", run_of()
    with pytest.raises(ReleaseError, match="has no release yet"):
        uninote.open_release(lake)
    notes = [make_note(str(n), title=WORDS[n % 8], body=f"{WORDS[n % 5]} {n}", category=f"c{n % 2}") for n in range(30)]
    write_source(folder / "source", [*notes, make_note("bad", title="", body="")])
    for stage in ("ingest", "embed", "index", "neighbours"):
        run_stage(run, stage)
    said = run_stage(run, "release")
    assert set(said["gates"].values()) == {"passed", "skipped"}
    opened = uninote.open_release(lake)
    assert opened.id == read_pointer(lake).live == 1
    assert len(opened.table("notes").to_pyarrow_table()) == 31
    assert opened.read(spark, "neighbours").count() == 30
    assert opened.lookup(["3", "bad"]) == lookup(lake, ["3"])
    assert opened.index(64).verify()["live"] == 30
    uri, version = opened.tables["items"]
    assert DeltaTable(uri, version=version).to_pyarrow_table().num_rows == 30
    with pytest.raises(ReleaseError, match="no index of width 7; it has 64"):
        opened.index(7)
    assert command(["releases", "show", "--lake", lake]) == 0
    assert "30 with a vector and 1 set aside" in capsys.readouterr().out
    assert run_stage(run, "release")["state"] == "unchanged"


def test_a_dry_run_says_what_a_refresh_would_do(run_of, folder):
    before = read_pointer(f"{folder}/lake")
    stages = preview(run_of())["stages"]
    without = [name for name in STAGES if name not in ("codes", "match")]  # no gallery is named, and no codes asked for
    assert {name: one["would"] for name, one in stages.items()} == dict.fromkeys(without, "unchanged")
    source = folder / "source" / "items.jsonl"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("soup 1", "soup and more 1"), encoding="utf-8")
    found = preview(run_of())
    assert found["stages"]["ingest"]["would"] == "reads the source"
    assert found["stages"]["neighbours"]["seconds"] > 0
    assert read_pointer(f"{folder}/lake") == before
    source.write_text(text, encoding="utf-8")


def test_it_says_why_a_note_is_a_neighbour_or_is_not(folder, capsys):
    opened = uninote.open_release(f"{folder}/lake")
    entries = opened.lookup(["4"])["4"]
    first = explain(opened, "4", entries[0][0])
    assert (first["rank"], first["excluded_by"], first["found"]) == (1, None, "by its own search")
    assert first["scores"][64] == pytest.approx(entries[0][1], abs=1e-3)
    far = next(str(n) for n in range(30) if str(n) not in {"4", *(one for one, _ in opened.lookup(["4"])["4"])})
    why = explain(opened, "4", far)["why"]
    assert why.startswith("'4' has 4 nearer")
    same = next(str(n) for n in range(6, 30, 2))
    assert explain(opened, "4", same, "other_category")["excluded_by"] == "different: category is 'c0' for both"
    assert explain(opened, "4", same, "far")["excluded_by"].startswith("min_score: their score is")
    assert explain(opened, "4", "4")["why"] == "a note is never its own neighbour"
    assert explain(opened, "4", "bad")["why"].startswith("'bad' has no vector in this release (note_empty: ")
    assert explain(opened, "4", "nobody")["why"].endswith("(the release has no such note)")
    assert command(["explain", "4", "bad", "--lake", f"{folder}/lake"]) == 0
    assert "note_empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("limit", "gate"),
    [
        ("gates.set_aside=0.03", "set_aside"),
        ("gates.hub_share=0", None),  # of so few notes each is in a large share of the lists
        ("gates.lost_neighbours=0", None),  # none is lost
    ],
)
def test_a_gate_just_beyond_its_limit_keeps_a_release_from_readers(run_of, folder, limit, gate):
    lake, run = f"{folder}/lake", run_of(limit)
    live = read_pointer(lake).live
    change(run)
    if gate is None:
        assert run_stage(run, "release")["release"] > live
        return
    with pytest.raises(GateError, match=f"readers go on seeing release {live}.*{gate}"):
        run_stage(run, "release")
    assert read_pointer(lake).live == live
    assert "did not pass its gates" in read_pointer(lake).change


def test_lists_that_were_asked_for_otherwise_are_not_compared(run_of):
    change(run_of())
    assert run_stage(run_of(), "release")["gates"]["lost_neighbours neighbours"] == "passed"
    run = run_of("neighbours.k=3")
    change(run)
    assert run_stage(run, "release")["gates"]["lost_neighbours neighbours"] == "skipped"


def test_lists_of_other_items_do_not_go_live(run_of, folder):
    run = run_of()
    uri = run.generation.uri("neighbours")
    rows = DeltaTable(uri).to_pyarrow_table()
    DeltaTable(uri).delete("note_id = '7'")
    with pytest.raises(GateError, match="neighbours has 29 lists for 30 notes"):
        run_stage(run, "release")
    DeltaTable(uri).restore(DeltaTable(uri).version() - 1)
    assert DeltaTable(uri).to_pyarrow_table().num_rows == rows.num_rows
    # As many, and of another note.
    DeltaTable(uri).update({"note_id": "'someone'"}, predicate="note_id = '7'")
    with pytest.raises(GateError, match="neighbours has lists of other notes than the items"):
        run_stage(run, "release")
    DeltaTable(uri).restore(DeltaTable(uri).version() - 1)


def test_a_forced_release_says_so(run_of, folder, capsys):
    lake, run = f"{folder}/lake", run_of("gates.set_aside=0.03", "refresh.force=true")
    change(run)
    said = run_stage(run, "release")
    assert said["forced"]
    assert read_release(lake, said["release"]).forced
    assert command(["releases", "list", "--lake", lake]) == 0
    assert "live; gates not passed: set_aside; forced" in capsys.readouterr().out
    assert command(["releases", "rollback", "--lake", lake]) == 0
    assert read_pointer(lake).live < said["release"]


def test_retention_leaves_tables_of_others_alone(run_of, folder):
    uri = f"{folder}/lake/mine/table"
    for number in range(2):
        write_deltalake(uri, pa.table({"a": [number]}), mode="overwrite")
    for path in Path(uri).rglob("*"):
        os.utime(path, (10**9, 10**9))
    run_stage(run_of("retention.reader_hours=0"), "retention")
    assert DeltaTable(uri, version=0).to_pyarrow_table()["a"].to_pylist() == [0]


def test_a_table_that_forgets_too_soon_is_refused(run_of):
    run = run_of()
    set_property(run.lake.uri("notes"), "delta.deletedFileRetentionDuration", "interval 1 hours")
    with pytest.raises(RetentionError, match=r"'interval 1 hours', and kept releases.* need what is 1.0 days old"):
        run_stage(run, "release")
    set_property(run.lake.uri("notes"), "delta.deletedFileRetentionDuration", "interval 3650 days")
