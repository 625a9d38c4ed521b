"""Lakes of every format so far, opened by the code of the day, and a further night on them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import unpack
from deltalake import DeltaTable

from uninote.config.loading import load_config
from uninote.index.files.folder import IndexFolder
from uninote.index.files.published import newest
from uninote.lake.record import FORMAT, read_record
from uninote.neighbours.lookup import NeighbourTable
from uninote.pipelines.lake import ledger
from uninote.pipelines.lake.run import Run
from uninote.pipelines.stages import run_stage

pytestmark = pytest.mark.spark

ARCHIVES = sorted(
    Path(__file__).parent.glob("lake-*.tar.xz"), key=lambda path: int(path.name.split(".")[0].split("-")[1])
)
# A lake of an older format takes as long as one of the present format: `make test-more` goes on with those.
OLDER = [pytest.param(archive, marks=pytest.mark.more) for archive in ARCHIVES[:-1]]
STAGES = ("ingest", "embed", "index", "neighbours", "report")


def unpacked(archive: Path, folder: Path) -> Path:
    unpack(archive, folder)
    for image in (folder / "source").glob("*.png"):
        os.utime(image, (1_700_000_000, 1_700_000_000))  # the time that make_lake.py gave them
    return folder


def change_source(folder: Path) -> None:
    """Edit n7, delete n8, and add n99."""
    path = folder / "source" / "items.jsonl"
    notes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    notes = [note for note in notes if note.get("id") != "n8"]
    next(note for note in notes if note.get("id") == "n7")["body"] = "rewritten"
    notes.append({"id": "n99", "title": "a day hike to the lake", "body": "in the rain", "category": "travel"})
    path.write_text("\n".join(json.dumps(note, ensure_ascii=False) for note in notes), encoding="utf-8")


def rows(uri: str) -> list[dict[str, object]]:
    return DeltaTable(uri).to_pyarrow_table().to_pylist()


@pytest.mark.parametrize("archive", [*OLDER, ARCHIVES[-1]], ids=lambda path: path.name)
def test_a_further_night_embeds_what_changed_and_nothing_else(spark, tmp_path, archive):
    folder = unpacked(archive, tmp_path)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    change_source(folder)
    run = Run(spark, load_config(folder / "config.yaml"))
    assert run.model.generation == expected["generation"]
    summaries = {name: run_stage(run, name) for name in STAGES}
    counts = summaries["embed"]
    # 49 notes and 12 images before; n8 had an image, n40 is broken for good.
    assert (counts["notes_in"], counts["embedded"], counts["deleted"], counts["computed"]) == (49, 2, 1, 2)
    assert read_record(run.lake.root).format == FORMAT
    assert [entry["sequence"] for entry in ledger.entries(run.lake)] == list(range(len(ledger.entries(run.lake))))
    check_items(run, expected)
    check_lists(run, expected)
    check_index(run)


@pytest.mark.more
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_an_older_lake_learns_the_bytes_of_its_images_in_one_night(spark, tmp_path, archive):
    """Then files that are only touched cost no model call, though their hashes are of the older format."""
    folder = unpacked(archive, tmp_path)
    run = Run(spark, load_config(folder / "config.yaml"))
    run_stage(run, "ingest")  # the source lies elsewhere than when the lake was made
    assert run_stage(run, "embed")["computed"] == 0
    for image in (folder / "source").glob("*.png"):
        os.utime(image, (1_800_000_000, 1_800_000_000))
    counts = run_stage(Run(spark, load_config(folder / "config.yaml")), "embed")
    assert (counts["computed"], counts["notes_in"]) == (0, 49)
    assert counts["images_opened"] >= 13
    counts = run_stage(Run(spark, load_config(folder / "config.yaml")), "embed")
    assert (counts["computed"], counts["images_opened"]) == (0, 0)


def check_items(run, expected):
    """Whoever did not change has the key and the hash of before; every width has exactly the items."""
    items = {row["item_id"]: [row["item_key"], row["content_hash"]] for row in rows(run.generation.uri("items"))}
    kept = {item: both for item, both in expected["items"].items() if item.split("#")[0] not in ("n7", "n8")}
    assert {item: items[item] for item in kept} == kept
    assert set(items) - set(kept) == {"n7", "n99"}
    assert items["n7"][0] == expected["items"]["n7"][0]
    for width in (64, 16):
        stored = DeltaTable(run.generation.uri(f"embeddings/w{width}")).to_pyarrow_table()
        assert sorted(stored["item_key"].to_pylist()) == sorted(key for key, _ in items.values())
        norms = np.linalg.norm(np.array(stored["vector"].to_pylist()), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)


def check_lists(run, expected):
    """Every note has a list, in every table; no list names a note that is not there; most are as they were."""
    notes = {row["note_id"] for row in rows(run.generation.uri("items"))}
    for table in ("neighbours", "same_category", "collapsed"):
        found = NeighbourTable(run.generation.uri(table)).get(sorted(notes))
        assert set(found) == notes
        assert {other for others in found.values() for other, _ in others} <= notes
    found = NeighbourTable(run.generation.uri("neighbours")).get(sorted(notes))
    untouched = {
        note for note, others in expected["neighbours"].items() if note in notes and not {"n7", "n8"} & set(others)
    }
    same = [note for note in untouched if set(expected["neighbours"][note]) == {other for other, _ in found[note]}]
    assert len(same) > len(untouched) / 2


def check_index(run):
    """The FAISS files hold the notes' keys, once each, less those that the manifest names as gone."""
    keys = {row["item_key"] for row in rows(run.generation.uri("items")) if row["kind"] == "note"}
    for width in (64, 16):
        folder = Path(run.generation.uri(f"index/w{width}"))
        manifest = json.loads(IndexFolder(str(folder)).read(newest(IndexFolder(str(folder)))))
        held = []
        for segment in manifest["segments"]:
            gone = pq.read_table(folder / segment["gone"]["name"])["item_key"].to_pylist() if segment["gone"] else []
            held = [key for key in held if key not in gone]
            for shard in segment["shards"]:
                held += keys_in(folder / shard["index"]["name"])
        assert sorted(held) == sorted(keys)


def keys_in(path: Path) -> list[int]:
    index = faiss.read_index(str(path))  # held as long as its lists are looked at
    lists = faiss.extract_index_ivf(index).invlists
    full = [number for number in range(lists.nlist) if lists.list_size(number)]
    return [int(key) for number in full for key in faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))]
