"""A refresh that publishes its release to an online store: what services read, and what a store that fails costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_note, write_source

import uninote
from uninote.cli.command import main as command
from uninote.lake.releases.pointer import read_pointer
from uninote.pipelines.release.errors import PublishError
from uninote.pipelines.stages import refresh
from uninote.serving.opening import open_store

pytestmark = [pytest.mark.spark, pytest.mark.more]
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=1", "index.pq_m=8")


def test_nights_that_publish(make_run, tmp_path, quick_model, capsys):
    lake, place = f"{tmp_path}/lake", f"lmdb://{tmp_path}/store"

    def night(notes, store=place):
        write_source(tmp_path / "source", [make_note(str(n), title=f"soup {n % 7}") for n in notes])
        places = (f"lake={lake}", f"ingest.source={tmp_path}/source", f"serving.store={store}", "serving.publish=true")
        run = make_run(*places, *quick_model, *SETTINGS, "retention.reader_hours=0", "gates.lost_neighbours=1")
        return refresh(run)["stages"]

    def in_store(notes):
        store = open_store(place)
        try:
            return store.get(notes), store.state.live, store.hidden()
        finally:
            store.close()

    first = night(range(20))
    assert (first["publish"]["state"], first["publish"]["pushed"]) == ("done", 20)
    everyone = [str(n) for n in range(20)]
    assert in_store(everyone)[:2] == (uninote.open_release(lake).lookup(everyone), 1)
    assert night(range(20))["publish"]["state"] == "unchanged"

    # A store that does not answer: the lake's readers have the night, the report is made, and the job fails at its end.
    Path(lake, "report.html").unlink()
    with pytest.raises(
        PublishError, match=r"release 2 is live in the lake, and the online store redis://127.0.0.1:1/0"
    ):
        night(range(22), "redis://127.0.0.1:1/0")
    assert read_pointer(lake).live == 2
    assert Path(lake, "report.html").is_file()
    assert in_store(["21"]) == ({}, 1, [])
    assert night(range(22))["publish"]["pushed"] > 0
    assert in_store(["21"])[0] == uninote.open_release(lake).lookup(["21"])

    # A takedown: hidden at once; after the night no list of the store has it, and it is hidden no more.
    assert command(["takedown", "add", "3", "--why", "an order", "--store", place, "--lake", lake]) == 0
    assert in_store(["3"])[0] == {}
    said = night(range(22))
    assert said["erasure"]["erased"] == 1
    lists, live, hidden = in_store([str(n) for n in range(22)])
    assert (live, hidden) == (read_pointer(lake).live, [])
    assert "3" not in lists
    assert "3" not in {one for entries in lists.values() for one, _ in entries}
    assert len(lists) == 21
