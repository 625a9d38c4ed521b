"""`uninote vacuum`: what it removes and joins, what it leaves, and what it says, on a lake without Spark."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders import unpack
from deltalake import DeltaTable, write_deltalake

import uninote
from uninote.cli.command import main as command
from uninote.lake.lease.lease import take
from uninote.lake.releases.pointer import change_pointer, read_pointer
from uninote.lake.releases.record import IndexPin, Release, write_release

GOLDEN = max((Path(__file__).parents[1] / "golden").glob("lake-*.tar.xz"))
FILES = 16


@pytest.fixture
def lake(tmp_path):
    """A lake of a refresh, then of nights that gave each note another title, in files of its own; without releases."""
    unpack(GOLDEN, tmp_path)
    shutil.rmtree(tmp_path / "lake" / "releases", ignore_errors=True)
    return tmp_path / "lake"


def publish(lake, at):
    """Let readers see the tables as they stand, and return the release."""
    generation = lists_of(lake).parent.name
    names = ["notes", *(f"{generation}/{name}" for name in ("items", "embeddings/w64", "neighbours"))]
    versions = {name: DeltaTable(str(lake / name)).version() for name in names}
    manifest = max((lake / generation / "index" / "w64").glob("manifest*.json")).name
    pins = {"w64": IndexPin(f"{generation}/index/w64", manifest)}
    lake_id = json.loads((lake / "lake.json").read_text())["lake_id"]
    made = Release(0, at, "test", lake_id, generation, versions, pins, {})
    live = read_pointer(str(lake)).live
    number = write_release(str(lake), made, live or 0).id

    def change(before):
        replaced = {**before.replaced, **({} if live is None else {str(live): at})}
        return replace(before, live=number, kept=(*before.kept, number), replaced=replaced, change="test")

    change_pointer(str(lake), change)
    return number


def rewrite(lake):
    """Write all notes and lists anew, a few in each of many files: versions of which nothing is in an earlier one."""
    for uri in (str(lake / "notes"), str(lists_of(lake))):
        rows = DeltaTable(uri).to_pyarrow_table().sort_by("note_id")
        step = len(rows) // FILES
        for start in range(0, len(rows), step):
            write_deltalake(uri, rows.slice(start, step), mode="overwrite" if start == 0 else "append")


def lists_of(lake):
    (found,) = lake.glob("*/neighbours")
    return found


def age(lake):
    for path in lake.rglob("*.parquet"):
        os.utime(path, (10**9, 10**9))


def vacuum(capsys, *arguments):
    assert command(["vacuum", "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def notes_of(lake, number):
    return uninote.open_release(str(lake), number).table("notes").to_pyarrow_table().sort_by("note_id")


def files_in(lake):
    return sorted(path for path in lake.rglob("*") if path.is_file() and "leases" not in path.parts)


def test_what_no_kept_release_needs_goes_and_small_files_are_joined(lake, capsys):
    numbers = []
    for night in range(5):
        numbers.append(publish(lake, f"2020-01-0{night + 1}T00:00:00+00:00"))
        rewrite(lake)
    numbers.append(publish(lake, "2020-01-09T00:00:00+00:00"))
    age(lake)
    known = {number: notes_of(lake, number) for number in numbers}
    lists = uninote.open_release(str(lake)).lookup(["n1", "n2"])
    before = files_in(lake)

    asked = vacuum(capsys, "--lake", lake, "--dry-run")
    assert files_in(lake) == before
    assert read_pointer(str(lake)).kept == tuple(numbers)
    done = vacuum(capsys, "--lake", lake)
    assert asked | {"dry_run": False} == done
    assert done["releases_kept"] == numbers[-3:] == list(read_pointer(str(lake)).kept)
    # The lists of three releases went; nobody reads their feed.
    lists_at = str(lists_of(lake).relative_to(lake))
    assert done["removed"][lists_at]["files"] > 2 * FILES
    assert lists_at not in done["joined"]
    assert done["joined"]["notes"]["before"] == len(uninote.open_release(str(lake)).table("notes").file_uris())
    # The joined version, and every release that is kept: no row is lost, none is doubled.
    table = DeltaTable(str(lake / "notes"))
    assert len(table.file_uris()) == 1
    assert table.to_pyarrow_table().sort_by("note_id").equals(known[numbers[-1]])
    for number in numbers[-3:]:
        assert notes_of(lake, number).equals(known[number])
    opened = uninote.open_release(str(lake))
    assert opened.lookup(["n1", "n2"]) == lists
    assert opened.index().verify()["live"] > 0
    # Once more: nothing is left to do, and what was joined is no reason to join again.
    age(lake)
    again = vacuum(capsys, "--lake", lake)
    assert (again["removed"], again["joined"]) == ({}, {})


def test_people_are_told_in_words(lake, capsys):
    publish(lake, "2020-01-01T00:00:00+00:00")
    rewrite(lake)
    assert command(["vacuum", "--lake", str(lake), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"notes: {len(DeltaTable(str(lake / 'notes')).file_uris())} small files" in said
    assert "would be joined into 1" in said
    assert said.endswith("bytes would go; releases kept: 1\n")


def test_settings_of_the_configuration_count(lake, tmp_path, capsys):
    publish(lake, "2020-01-01T00:00:00+00:00")
    rewrite(lake)
    config = tmp_path / "lake.yaml"
    config.write_text(f"lake: {lake}\ncompaction: {{files: 50}}\n")
    assert vacuum(capsys, "--config", config, "--dry-run")["joined"] == {}


def test_before_the_first_release_nothing_is_removed(lake, capsys):
    rewrite(lake)
    age(lake)
    found = vacuum(capsys, "--lake", lake)
    assert (found["removed"], found["releases_kept"]) == ({}, [])
    assert found["joined"]["notes"]["after"] == 1


def test_it_waits_for_no_run_and_takes_no_wrong_place_for_a_lake(lake, tmp_path, capsys):
    lease = take(str(lake), "refresh", "night", term_s=1.0)
    try:
        assert command(["vacuum", "--lake", str(lake)]) == 1
    finally:
        lease.release()
    assert "another run writes to this lake: refresh (run night" in capsys.readouterr().err
    assert command(["vacuum", "--lake", f"{tmp_path}/typo"]) == 1
    assert "is no lake" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()
