"""A night that is too long: embed stops between its chunks, nothing is published, and the next night does the rest."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from builders import make_note, rows_at, write_source

import uninote
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.small_tables import read_all
from uninote.pipelines.lake import deadline
from uninote.pipelines.lake.deadline import OutOfTimeError
from uninote.pipelines.stages import refresh

pytestmark = [pytest.mark.spark, pytest.mark.more]
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=1", "index.pq_m=8")


def test_embed_stops_between_chunks_and_the_next_night_goes_on(make_run, tmp_path, quick_model, monkeypatch):
    lake = f"{tmp_path}/lake"

    def night(count, *more):
        # An image makes the work Spark's, and that has chunks.
        notes = [make_note(str(n), title=f"soup {n % 7}", images=["none.png"]) for n in range(count)]
        write_source(tmp_path / "source", notes)
        places = (f"lake={lake}", f"ingest.source={tmp_path}/source")
        allowed = ("embed.max_quarantined_share=1", "embed.max_changed_share=1", "gates.lost_neighbours=1")
        run = make_run(*places, *quick_model, *SETTINGS, *allowed, *more)
        return run, refresh(run)["stages"]

    def chunks():
        found = read_all(f"{lake}/runs")
        return [one["unit"] for one in found if one["stage"] == "embed" and one["unit"].startswith("chunk")]

    run, _ = night(10)
    before = uninote.open_release(lake).lookup(["1"])
    began = time.time()
    # Three hours later once two of the four chunks are committed.
    clock = SimpleNamespace(time=lambda: began + (3 * 3600 if len(chunks()) >= 2 else 0))
    monkeypatch.setattr(deadline, "time", clock)
    with pytest.raises(OutOfTimeError, match=r"refresh.max_hours=2.0 are over, and embed stopped before its chunk.*3"):
        night(50, "refresh.max_hours=2.0", "embed.chunk_items=10")
    monkeypatch.undo()
    assert len(chunks()) == 2
    assert read_pointer(lake).live == 1
    assert uninote.open_release(lake).lookup(["1"]) == before
    done = len(rows_at(run.generation.uri("items"))) - 10
    assert 0 < done < 40

    _, stages = night(50)
    assert stages["embed"]["embedded"] == 40 - done
    assert stages["release"]["release"] == 2
    opened = uninote.open_release(lake)
    assert opened.table("items").to_pyarrow_table().num_rows == 50
    assert opened.lookup(["49"])["49"]
