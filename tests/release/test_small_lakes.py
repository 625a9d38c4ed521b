"""Releases of a lake of one note, then of a few, whose ids are numbers and whose indexes lie elsewhere."""

from __future__ import annotations

import pytest
from builders import make_note, write_source

import uninote
from uninote.cli.command import main as command
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import ReleaseError
from uninote.pipelines.stages import run_stage
from uninote.releases.changes import roll_back

pytestmark = [pytest.mark.spark, pytest.mark.long]
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=1", "index.num_shards=1", "index.pq_m=8")


def test_one_note_then_a_few(make_run, tmp_path, quick_model, capsys):
    lake = f"{tmp_path}/lake"

    def night(count):
        notes = [{**make_note(str(n), title=f"soup {n}"), "note_id": n} for n in range(count)]
        write_source(tmp_path / "source", notes)
        places = (f"lake={lake}", f"ingest.source={tmp_path}/source", f"index.folder={tmp_path}/elsewhere")
        run = make_run(*places, *quick_model, *SETTINGS)
        stages = ("ingest", "embed", "index", "neighbours", "release", "retention")
        return {name: run_stage(run, name) for name in stages}["release"]

    first = night(1)
    assert first["gates"]["short_lists"] == first["gates"]["hub_share"] == "skipped"
    assert uninote.open_release(lake).lookup([0]) == {0: []}
    second = night(6)
    assert set(second["gates"].values()) <= {"passed", "skipped"}
    assert len(uninote.open_release(lake).lookup([3])[3]) == 4
    assert uninote.open_release(lake).index().manifest.live == 6
    for words in ("neighbours 3", "explain 3 4", "show 3", "releases diff 1 2"):
        assert command([*words.split(), "--lake", lake, "--json"]) == 0
    assert command(["explain", "3", "x", "--lake", lake]) == 1
    assert "have numbers" in capsys.readouterr().err
    # A release of what somebody rolled back from is not made by another run.
    roll_back(lake)
    with pytest.raises(ReleaseError, match="taken back to release 1"):
        night(6)
    assert read_pointer(lake).live == 1
