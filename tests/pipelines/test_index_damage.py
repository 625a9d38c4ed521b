"""An index whose files are missing or damaged, whose lake is emptied, and whose settings come and go."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from lake_updates import Lake

from uninote.errors import UninoteError
from uninote.index.files.manifest import publish_manifest, read_manifest
from uninote.index.files.published import newest
from uninote.index.files.records import IndexRefusedError
from uninote.index.search import Index
from uninote.pipelines.index.stage import index
from uninote.pipelines.index.target import index_folder
from uninote.pipelines.lake.run import newest_entries

pytestmark = pytest.mark.spark

WIDTH, ROWS = 16, 300
SETTINGS = ("embed.widths=[16]", "embed.undeclared_widths=true", "index.nlist=8", "index.num_shards=2", "index.pq_m=8")


def unit_vectors(rows, seed):
    vectors = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def run_of(make_run):
    return lambda *overrides: make_run(*SETTINGS, *overrides)


@pytest.fixture
def lake(run_of):
    return Lake(run_of, unit_vectors(ROWS, 0))


@pytest.fixture
def folder(run_of):
    return index_folder(run_of(), WIDTH)


def flip(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(byte ^ 0x55 for byte in content[middle : middle + 16])
    path.write_bytes(content)


def names(folder, start, end=""):
    return sorted(name for name in folder.sizes() if name.startswith(start) and name.endswith(end))


def build(run_of, folder, lake):
    """Build, expect that something was done, and that every key of the lake is found again."""
    summary = index(run_of())
    assert summary["state"] == "done"
    opened = Index.open(folder)
    assert opened.verify()["live"] == len(lake.vectors)
    if lake.vectors:
        keys, vectors = lake.matrix
        assert np.mean(opened.search(vectors, 1, nprobe=8)[0].ravel() == keys) > 0.9
    assert index(run_of())["state"] == "unchanged"
    return summary["indexes"]["w16"]


@pytest.mark.more
def test_damaged_and_missing_files_are_built_again(run_of, lake, folder, capsys):
    build(run_of, folder, lake)
    kept = {name: folder.local(name).stat().st_mtime_ns for name in names(folder, "shard-00001", ".faiss")}
    flip(folder.local(names(folder, "shard-00000", ".faiss")[0]))
    folder.remove(names(folder, "shard-00000", ".keys.arrow")[0])
    build(run_of, folder, lake)
    assert "the manifest says" in capsys.readouterr().err
    assert all(folder.local(name).stat().st_mtime_ns == when for name, when in kept.items())
    flip(folder.local(names(folder, "template-", ".faiss")[0]))
    summary = index(run_of("index.retrain=now"))
    assert summary["state"] == "done"
    Index.open(folder).verify()
    lake.update(deleted=[5])
    build(run_of, folder, lake)
    folder.remove(names(folder, "gone-")[0])
    folder.remove(names(folder, "template-", ".npz")[0])
    build(run_of, folder, lake)


@pytest.mark.more
def test_updates_that_only_take_away(run_of, lake, folder):
    build(run_of, folder, lake)
    lake.update(dict(enumerate(unit_vectors(5, 2), 1000)))
    build(run_of, folder, lake)
    for left in ([*range(1, ROWS), *range(1000, 1005)], range(10), []):
        lake.update(deleted=sorted(set(lake.vectors) - set(left)))
        build(run_of, folder, lake)
    assert Index.open(folder).search(unit_vectors(2, 1), 3)[0].tolist() == [[-1] * 3] * 2
    lake.update(dict(enumerate(unit_vectors(40, 3))))
    build(run_of, folder, lake)


@pytest.mark.more
def test_settings_come_and_go(run_of, lake, folder):
    measured = build(run_of, folder, lake)["nprobe"]
    summary = index(run_of("index.nprobe=3"))
    assert (summary["state"], summary["indexes"]["w16"]["nprobe"]) == ("done", 3)
    lake.update(deleted=[4])
    assert index(run_of("index.nprobe=5"))["indexes"]["w16"]["nprobe"] == 5
    summary = index(run_of())
    assert (summary["state"], summary["indexes"]["w16"]["nprobe"]) == ("done", measured)
    assert index(run_of("neighbours.k=3"))["state"] == "done"

    lake.width = 8  # another width is embedded and indexed, and this one is not any more
    lake.update({key: vector[:8] / np.linalg.norm(vector[:8]) for key, vector in lake.vectors.items()})
    settings = ("embed.widths=[8]", "index.widths=[8]", "index.pq_m=4")
    index(run_of(*settings))
    with pytest.raises(IndexRefusedError, match=r"the index of width 16 is stale \(since run"):
        Index.open(folder)
    assert newest_entries(run_of())["index", "w16"]["state"] == "stale"
    lake.width = WIDTH
    lake.update(dict(enumerate(unit_vectors(ROWS, 0))))
    build(run_of, folder, lake)


def test_a_manifest_of_before_is_read_and_its_lists_are_measured_again(run_of, lake, folder):
    index(run_of())
    values = json.loads(folder.read(newest(folder)))
    folder.remove(newest(folder))
    for name in ("sha256", "nprobe_asked", "calibration", "template_files", "lake_id", "stale"):
        del values[name]
    folder.put("manifest.json", lambda path: path.write_text(json.dumps(values | {"format_version": 2, "nprobe": 7})))
    assert Index.open(folder).manifest.lists_searched == 7
    before = read_manifest(folder).segments
    build(run_of, folder, lake)
    assert read_manifest(folder).lists_searched != 7
    assert read_manifest(folder).segments == before


def test_two_lakes_do_not_share_a_folder(run_of, lake, tmp_path):
    folder = f"index.folder={tmp_path / 'shared'}"
    index(run_of(folder))
    found = index_folder(run_of(folder), WIDTH)
    assert read_manifest(found).lake_id == run_of().lake_id
    other = Lake(lambda *given: run_of(f"lake={tmp_path / 'other'}", *given), unit_vectors(20, 5))
    with pytest.raises(UninoteError, match=rf"holds the index of the lake {run_of().lake_id}, and .*other is the lake"):
        index(other.run_of(folder))
    with pytest.raises(IndexRefusedError, match="belongs to the lake"):
        Index.open(found, lake_id=other.run_of().lake_id)
    # Of before lakes had ids: its keys say whose it is.
    publish_manifest(found, replace(read_manifest(found), lake_id=None, calibration=""))
    with pytest.raises(UninoteError, match="whose keys are not those of the notes of"):
        index(other.run_of(folder))
    assert index(run_of(folder))["state"] == "done"
    assert read_manifest(found).lake_id == run_of().lake_id


def test_vectors_that_are_not_of_unit_length_are_not_indexed(run_of, lake):
    lake.update({3: np.full(WIDTH, 7, np.float32)})
    with pytest.raises(Exception, match="that are not of unit length") as caught:
        index(run_of())
    assert "embed.check_vectors=true" in str(caught.value)
