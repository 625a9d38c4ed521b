"""`uninote publish` and `uninote hide`, on a lake that earlier code made and releases of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import unpack
from deltalake import DeltaTable, write_deltalake

import uninote
from uninote.cli import command
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import Pointer, change_pointer, read_pointer
from uninote.lake.releases.record import Release, write_release
from uninote.lake.takedowns import orders as takedowns
from uninote.releases.changes import roll_back
from uninote.serving.opening import open_store

ARCHIVE = Path(__file__).parents[1] / "golden" / "lake-4.tar.xz"


@pytest.fixture
def lake(tmp_path) -> str:
    unpack(ARCHIVE, tmp_path)
    return str(tmp_path / "lake")


@pytest.fixture
def place(tmp_path) -> str:
    return f"lmdb://{tmp_path}/store"


def make_release(lake: str) -> int:
    """Pin what the tables are now as a release, and make it live."""
    (items,) = Path(lake).glob("*/items")
    generation = items.parent.name
    tables = {"notes": DeltaTable(f"{lake}/notes").version()}
    for log in items.parent.glob("**/_delta_log"):
        tables[log.parent.relative_to(lake).as_posix()] = DeltaTable(log.parent).version()
    pointer = read_pointer(lake)
    made = Release(0, "2026-01-01T00:00:00+00:00", "run", read_record(lake).lake_id, generation, tables, {}, {})
    number = write_release(lake, made, max(pointer.kept, default=0)).id

    def change(before: Pointer) -> Pointer:
        return replace(before, live=number, kept=(*before.kept, number))

    change_pointer(lake, change)
    return number


def edit(lake: str) -> None:
    """Make one list empty, and take one note away."""
    (uri,) = map(str, Path(lake).glob("*/neighbours"))
    rows = DeltaTable(uri).to_pyarrow_table().sort_by("note_id").to_pylist()
    rows[0]["neighbours"] = []
    schema = DeltaTable(uri).to_pyarrow_table().schema
    write_deltalake(uri, type(DeltaTable(uri).to_pyarrow_table()).from_pylist(rows[:-1], schema), mode="overwrite")


def asked(capsys, *arguments: str) -> dict[str, object]:
    assert command.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def held(place: str, lake: str, release: int) -> bool:
    """Say whether readers of the store get each list of each table as the release has it."""
    opened = uninote.open_release(lake, release)
    notes = opened.table("notes").to_pyarrow_table()["note_id"].to_pylist()
    store = open_store(place)
    same = [store.get(notes, table) == opened.lookup(notes, table) for table in ("neighbours", "same_category")]
    store.close()
    return all(same)


def test_nights_are_published_and_rolled_back(lake, place, capsys):
    first = make_release(lake)
    found = asked(capsys, "publish", "--store", place, "--lake", lake)
    assert (found["state"], found["release"], found["previous"]) == ("published", first, None)
    assert {"neighbours", "same_category"} <= set(found["tables"])
    assert held(place, lake, first)
    edit(lake)
    second = make_release(lake)
    found = asked(capsys, "publish", "--store", place, "--lake", lake)
    rows = found["tables"]["neighbours"]["rows"]
    assert found["tables"]["neighbours"] == {"rows": rows, "pushed": 1, "unchanged": rows - 1, "gone": 1}
    assert held(place, lake, second)
    roll_back(lake)
    assert asked(capsys, "publish", "--store", place, "--lake", lake)["state"] == "flipped"
    assert held(place, lake, first)
    third = make_release(lake)
    found = asked(capsys, "publish", "--store", place, "--lake", lake)
    assert (found["release"], found["previous"]) == (third, first)
    assert held(place, lake, third)
    assert asked(capsys, "publish", "--store", place, "--lake", lake)["state"] == "unchanged"
    assert command.main(["publish", "--store", place, "--lake", lake]) == 0
    assert f"readers saw release {third} already" in capsys.readouterr().out


def test_where_the_release_that_readers_see_is_gone_all_lists_are_pushed(lake, place, capsys):
    first = make_release(lake)
    asked(capsys, "publish", "--store", place, "--lake", lake)
    edit(lake)
    second = make_release(lake)
    change_pointer(lake, lambda before: replace(before, kept=(second,)))
    found = asked(capsys, "publish", "--store", place, "--lake", lake, "--drop-previous")
    assert found["tables"]["neighbours"]["unchanged"] == 0
    assert found["previous"] == first
    assert held(place, lake, second)
    store = open_store(place)
    assert store.state.whole == (second,)
    store.close()


def test_a_failing_store_leaves_the_pointer_and_exits_with_1(lake, place, capsys):
    make_release(lake)
    assert command.main(["publish", "--store", "redis://127.0.0.1:1/0", "--lake", lake]) == 1
    assert "does not answer" in capsys.readouterr().err
    asked(capsys, "publish", "--store", place, "--lake", lake)
    edit(lake)
    second = make_release(lake)
    (uri,) = map(str, Path(lake).glob("*/neighbours"))
    broken = Path(DeltaTable(uri).file_uris()[0].removeprefix("file://"))
    content = broken.read_bytes()
    broken.write_bytes(content[:4] + bytes(len(content) - 8) + content[-4:])
    assert command.main(["publish", "--store", place, "--lake", lake]) == 1
    assert "is not as it was written" in capsys.readouterr().err
    assert held(place, lake, 1)
    broken.write_bytes(content)
    asked(capsys, "publish", "--store", place, "--lake", lake)
    assert held(place, lake, second)


def test_notes_that_are_taken_down_are_hidden_and_once_erased_forgotten(lake, place, capsys):
    first = make_release(lake)
    asked(capsys, "publish", "--store", place, "--lake", lake)
    (uri,) = map(str, Path(lake).glob("*/neighbours"))
    rows = DeltaTable(uri).to_pyarrow_table()
    taken = max(rows["note_id"].to_pylist())
    orders = takedowns.add(lake, [taken, "never-seen"], "an order")
    assert asked(capsys, "publish", "--store", place, "--lake", lake)["state"] == "unchanged"
    store = open_store(place)
    assert store.hidden() == sorted([taken, "never-seen"])
    assert store.get([taken]) == {}
    store.close()
    # The refresh erases it: no list has it, the release that had it is not kept, and the order knows it by its hash alone.
    left = []
    for row in rows.to_pylist():
        if row["note_id"] != taken:
            row["neighbours"] = [one for one in row["neighbours"] if one["note_id"] != taken]
            left.append(row)
    write_deltalake(uri, rows.from_pylist(left, rows.schema), mode="overwrite")
    second = make_release(lake)
    change_pointer(lake, lambda before: replace(before, kept=(second,)))
    takedowns.mark_erased(lake, [one.digest for one in orders])
    assert asked(capsys, "publish", "--store", place, "--lake", lake)["previous"] == first
    store = open_store(place)
    assert store.state.whole == (second,)
    assert store.hidden() == []
    held_now = [pair for batch in store._backend.scan() for pair in batch if pair[0].startswith(b"neighbours:")]
    assert len(held_now) == len(left)
    assert not [key for key, value in held_now if taken.encode() in key + value]
    store.close()


def test_a_lake_without_a_release_says_so(lake, place, capsys):
    assert command.main(["publish", "--store", place, "--lake", lake]) == 1
    assert "has no release yet" in capsys.readouterr().err


def test_notes_are_hidden_and_shown_again(lake, place, capsys, tmp_path):
    make_release(lake)
    asked(capsys, "publish", "--store", place, "--lake", lake)
    (tmp_path / "deleted.txt").write_text("n4\nn 9\n", encoding="utf-8")
    names = ["--from", str(tmp_path / "deleted.txt"), "--store", place]
    assert asked(capsys, "hide", "add", "n7", *names)["notes"] == 3
    assert asked(capsys, "hide", "list", "--store", place)["hidden"] == ["n 9", "n4", "n7"]
    store = open_store(place)
    assert store.get(["n4", "n7"]) == {}
    store.close()
    assert command.main(["hide", "remove", "n7", "--store", place]) == 0
    assert "1 notes are shown again" in capsys.readouterr().out
    assert command.main(["hide", "list", "--store", place]) == 0
    assert capsys.readouterr().out == "n 9\nn4\n"
    assert command.main(["hide", "add", "--store", place]) == command.BAD_CONFIG
    assert command.main(["hide", "list", "n7", "--store", place]) == command.BAD_CONFIG
    assert command.main(["hide", "add", "n7", "--store", "redis://127.0.0.1:1/0"]) == 1
