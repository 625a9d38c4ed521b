"""Nights whose small files are joined: the next night goes on from them, and releases of before stay as they were."""

from __future__ import annotations

import pytest
from builders import make_note, write_source
from deltalake import DeltaTable

import uninote
from uninote.config.sections.releases import CompactionConfig
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.small_tables import read_all
from uninote.pipelines.stages import STAGES, run_stage
from uninote.upkeep.cleaning import Asked, clean

pytestmark = [pytest.mark.spark, pytest.mark.more]
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=1", "index.pq_m=8")
TABLES = ("notes", "items", "embeddings/w64")


def operations(release, name):
    return [one["operation"] for one in release.table(name).history()]


def test_nights_of_few_notes(make_run, tmp_path, quick_model):
    lake = f"{tmp_path}/lake"

    def night(count, files=2):
        write_source(tmp_path / "source", [make_note(str(n), title=f"soup {n % 7}") for n in range(count)])
        places = (f"lake={lake}", f"ingest.source={tmp_path}/source", f"compaction.files={files}")
        run = make_run(*places, *quick_model, *SETTINGS, "neighbours.full_share=0.9", "gates.lost_neighbours=1")
        return {name: run_stage(run, name) for name in STAGES if name != "report"}

    night(30)
    night(33, files=16)
    before = uninote.open_release(lake)
    known = {name: before.table(name).to_pyarrow_table() for name in TABLES}
    assert {len(before.table(name).file_uris()) for name in TABLES} == {2}
    lists = before.lookup(["4"])

    night(36)
    after = uninote.open_release(lake)
    for name in TABLES:
        # Two files and one of this night, then one: the release names what was joined.
        assert operations(after, name)[0] == "OPTIMIZE"
        assert len(after.table(name).file_uris()) == 1
        assert after.table(name).to_pyarrow_table().num_rows == 36
        assert before.table(name).to_pyarrow_table().equals(known[name])
    assert before.lookup(["4"]) == lists
    assert after.index().verify()["live"] == 36
    # The index and the lists took the night's notes from the change feed, and nothing else.
    assert after.index().manifest.since.rows == 6
    newest = [one for one in read_all(f"{lake}/runs") if one["stage"] == "neighbours"][-1]
    assert newest["counts"]["changed"] == 3
    # A night without changes joins nothing in what a release pins, and makes none.
    assert night(36)["release"]["state"] == "unchanged"
    assert read_pointer(lake).live == after.id
    assert len(DeltaTable(f"{lake}/runs").file_uris()) < 4
    assert len(read_all(f"{lake}/runs")) > 20
    check_vacuum(lake, lambda: night(39, files=16))


def check_vacuum(lake, night):
    """What a vacuum joined is no news for the night after it: nothing is embedded, and lists stay as they are."""
    night()
    lists = uninote.open_release(lake).lookup(["4", "38"])
    joined = clean(lake, Asked(compaction=CompactionConfig(files=2)))["joined"]
    assert {path.partition("/")[2] or path for path in joined} >= {"items", "embeddings/w64"}
    stages = night()
    assert stages["embed"]["computed"] == 0
    last = uninote.open_release(lake)
    assert last.lookup(["4", "38"]) == lists
    assert last.index().verify()["live"] == 39
    assert {len(last.table(name).file_uris()) for name in TABLES} == {1}
    assert night()["release"]["state"] == "unchanged"
