"""Folders of a lake, on a disk and in a real S3 store: moved, copied to this machine, and written from it."""

from __future__ import annotations

import pytest

from uninote.pipelines.training.outputs import Outputs
from uninote.storage import lake_files
from uninote.storage.lake_folders import move_folder, on_disk, put_folder
from uninote.storage.types import is_object_store


def write_all(uri, files):
    for name, content in files.items():
        lake_files.write(f"{uri}/{name}", content)


def read_all(uri):
    return {name: lake_files.read(f"{uri}/{name}") for name in lake_files.files_below(uri)}


FILES = {"items/part-0": b"1", "images/part-0": b"22", "manifest.json": b"{}"}


def test_a_folder_is_moved_whole(lake_place):
    write_all(f"{lake_place}/.made", FILES)
    move_folder(f"{lake_place}/.made", f"{lake_place}/set", "manifest.json")
    assert read_all(lake_place) == {f"set/{name}": content for name, content in FILES.items()}


def test_what_a_killed_move_left_is_no_part_of_the_next(bucket):
    write_all(f"{bucket}/set", {"items/part-of-a-killed-attempt": b"0"})
    write_all(f"{bucket}/.made", FILES)
    move_folder(f"{bucket}/.made", f"{bucket}/set", "manifest.json")
    assert read_all(f"{bucket}/set") == FILES


def test_this_machine_has_the_folder_as_it_is_now(lake_place, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write_all(f"{lake_place}/set", FILES)
    copy = on_disk(f"{lake_place}/set")
    assert read_all(str(copy)) == FILES
    assert on_disk(f"{lake_place}/set") == copy
    write_all(f"{lake_place}/set", {"manifest.json": b"{...}"})
    assert (on_disk(f"{lake_place}/set") / "manifest.json").read_bytes() == b"{...}"
    if is_object_store(lake_place):
        with pytest.raises(FileNotFoundError, match="none"):
            on_disk(f"{lake_place}/none")


def test_a_folder_of_this_machine_replaces_what_was_there(lake_place, tmp_path):
    write_all(str(tmp_path / "made"), FILES)
    write_all(f"{lake_place}/run", {"old": b"0"})
    put_folder(tmp_path / "made", f"{lake_place}/run")
    assert read_all(f"{lake_place}/run") == FILES


def test_what_one_machine_finished_another_goes_on_from(bucket, tmp_path):
    here, there = (Outputs(f"{bucket}/run", tmp_path / name) for name in ("here", "there"))
    write_all(str(here.folder / "contrastive"), FILES)
    assert here.put("contrastive") == f"{bucket}/run/contrastive"
    (there.folder / ".contrastive").mkdir(parents=True)
    write_all(str(there.folder / ".contrastive"), {"of-a-killed-fetch": b"0"})
    there.fetch("contrastive")
    there.fetch("ranking")
    (there.folder / "contrastive/_whole").unlink()
    assert read_all(str(there.folder)) == {f"contrastive/{name}": content for name, content in FILES.items()}
    lake_files.remove(f"{bucket}/run/contrastive/_whole")
    elsewhere = Outputs(f"{bucket}/run", tmp_path / "elsewhere")
    elsewhere.fetch("contrastive")
    assert not (elsewhere.folder / "contrastive").exists(), "what was put by halves is fetched by nobody"
    # What a machine has itself is newer than what it finished.
    write_all(str(here.folder / "contrastive"), {"items/part-0": b"newer"})
    here.fetch("contrastive")
    assert (here.folder / "contrastive/items/part-0").read_bytes() == b"newer"
