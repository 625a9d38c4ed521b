"""Readers leave out what is taken down, as query and as neighbour, from the moment it is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import unpack
from deltalake import DeltaTable

import uninote
from uninote.cli import command
from uninote.index.note_keys import Constraint
from uninote.index.search import Index
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import change_pointer
from uninote.lake.releases.record import IndexPin, Release, write_release
from uninote.lake.releases.watching import ReleaseEndedError
from uninote.lake.takedowns import watch
from uninote.lake.takedowns.orders import TakedownError, add, mark_erased, read_orders, remove
from uninote.neighbours.lookup import lookup, open_table
from uninote.search.command import main as search_command

ARCHIVE = Path(__file__).parents[1] / "golden" / "lake-4.tar.xz"


@pytest.fixture
def lake(tmp_path, monkeypatch) -> str:
    """A lake that earlier code made; its readers look at the list of takedowns at every call."""
    monkeypatch.setattr(watch, "_PERIOD_S", 0.0)
    unpack(ARCHIVE, tmp_path)
    return str(tmp_path / "lake")


def index_of(lake: str) -> Path:
    return sorted(Path(lake).glob("*/index/w*"))[0]


def make_release(lake: str) -> None:
    index = index_of(lake)
    generation = index.parent.parent
    tables = {"notes": DeltaTable(f"{lake}/notes").version()}
    for log in generation.glob("**/_delta_log"):
        tables[log.parent.relative_to(lake).as_posix()] = DeltaTable(log.parent).version()
    manifest = max(path.name for path in index.glob("manifest*.json"))
    pins = {index.name: IndexPin(index.relative_to(lake).as_posix(), manifest)}
    lake_id = read_record(lake).lake_id
    write_release(lake, Release(0, "2026-01-01T00:00:00+00:00", "run", lake_id, generation.name, tables, pins, {}), 0)
    change_pointer(lake, lambda before: replace(before, live=1, kept=(1,)))


def everyone(lake: str) -> list[str]:
    return (
        DeltaTable(str(next(Path(lake).glob("*/neighbours"))))
        .to_pyarrow_table(columns=["note_id"])["note_id"]
        .to_pylist()
    )


@pytest.mark.parametrize("released", [False, True])
def test_look_ups_leave_it_out_as_query_and_as_neighbour(lake, released):
    if released:
        make_release(lake)
    opened = uninote.open_release(lake).lookup if released else open_table(lake).get
    notes = everyone(lake)
    before = opened(notes)
    taken = before["n7"][0][0]
    add(lake, [taken], "why")
    expected = {note: [one for one in found if one[0] != taken] for note, found in before.items() if note != taken}
    assert expected["n7"] != before["n7"]
    assert opened(notes) == expected
    assert lookup(lake, notes) == expected
    assert opened([taken]) == {}
    remove(lake, [taken])
    assert opened(notes) == before


@pytest.mark.parametrize("released", [False, True])
def test_searches_leave_it_out_and_still_find_k(lake, released):
    if released:
        make_release(lake)
    index = uninote.open_release(lake).index(int(index_of(lake).name[1:])) if released else Index.open(index_of(lake))
    queries = np.eye(3, index.template.width, dtype=np.float32)
    before, _ = index.search_notes(queries, 6)
    assert (before != None).all()  # noqa: E711
    add(lake, [before[0, 0], before[1, 0]], "why")
    names = {before[0, 0], before[1, 0]}
    for constraint in (Constraint(), Constraint.of(never={"visibility": ["none"]})):
        after, scores = index.search_notes(queries, 6, constraint=constraint)
        assert np.isfinite(scores).all()
        assert not names & set(after.ravel())
        assert [one for one in before[0] if one not in names] == after[0].tolist()[: 6 - len(names & set(before[0]))]
    keys, _ = index.search(queries, 6)
    assert (keys >= 0).all()
    assert not names & set(index.note_ids(keys).ravel())


def test_an_index_outside_of_the_lake_is_told_which_lake(lake, tmp_path, capsys):
    moved = index_of(lake).rename(tmp_path / "elsewhere")
    opened = Index.open(moved, takedowns=watch.Watch(watch.InLake(lake)))
    query = np.eye(1, opened.template.width, dtype=np.float32)
    taken = opened.search_notes(query, 1)[0][0, 0]
    add(lake, [taken], "why")
    assert opened.search_notes(query, 1)[0][0, 0] != taken
    assert Index.open(moved).search_notes(query, 1)[0][0, 0] == taken
    Path(lake, "takedowns/key").unlink()
    # The command asks the lake that is named.
    assert search_command([str(moved), "--verify", "--lake", lake]) == 1
    assert "key is gone" in capsys.readouterr().err
    assert search_command([str(moved), "--verify"]) == 0


def test_readers_of_what_was_erased_are_told_so(lake, capsys):
    make_release(lake)
    release, table, index = uninote.open_release(lake), open_table(lake), Index.open(index_of(lake))
    kept, query = release.index(index.manifest.width), np.eye(1, index.template.width, dtype=np.float32)
    add(lake, ["n7"], "why")
    mark_erased(lake, [read_orders(lake)[0].digest])
    # The release is kept: it did not hold the note. Of the index alone nobody knows.
    assert release.lookup(["n8"])
    assert kept.search_notes(query, 1)
    with pytest.raises(TakedownError, match="erased since this was opened; open it again"):
        index.search_notes(query, 1)
    assert Index.open(index_of(lake)).search_notes(query, 1)
    release, table = uninote.open_release(lake), open_table(lake)
    kept = release.index(index.manifest.width)
    add(lake, ["n9"], "why")
    endings = {"1": "a time; it was pinned: audit"}
    change_pointer(lake, lambda before: replace(before, live=2, kept=(2,), ended=(1,), endings=endings))
    mark_erased(lake, [read_orders(lake)[1].digest])
    asked = (
        lambda: release.lookup(["n8"]),
        lambda: table.get(["n8"]),
        lambda: kept.search_notes(query, 1),
        lambda: release.table("notes"),
        lambda: release.index(),
    )
    said = r"release 1 ended because notes were taken down \(a time; it was pinned: audit\): .* Open the live one, release 2,"
    for ask in asked:
        with pytest.raises(ReleaseEndedError, match=said):
            ask()
    assert command.main(["releases", "list", "--lake", lake]) == 0
    assert "ended, as notes of it were taken down (a time; it was pinned: audit)" in capsys.readouterr().out


def asked(capsys, *arguments: str) -> dict[str, object]:
    assert command.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_takes_down_lists_and_lets_in_again(lake, capsys):
    (found,) = asked(capsys, "neighbours", "n7", "--lake", lake)["lists"]
    taken = found["neighbours"][0]["note_id"]
    added = asked(capsys, "takedown", "add", taken, "not-there-yet", "--why", "order 7", "--lake", lake)
    assert (added["notes"], [one["note_id"] for one in added["orders"]]) == (2, [taken, "not-there-yet"])
    (after,) = asked(capsys, "neighbours", "n7", "--lake", lake)["lists"]
    assert [one["note_id"] for one in after["neighbours"]] == [one["note_id"] for one in found["neighbours"][1:]]
    for arguments in (["neighbours", taken], ["show", taken], ["explain", "n7", taken]):
        assert command.main([*arguments, "--lake", lake]) == command.FAILED
        assert f"{taken}: taken down" in capsys.readouterr().err
    assert command.main(["takedown", "list", "--lake", lake]) == 0
    assert "not erased yet: order 7" in capsys.readouterr().out
    mark_erased(lake, [read_orders(lake)[1].digest])
    assert [one["note_id"] for one in asked(capsys, "takedown", "list", "--lake", lake)["orders"]] == [taken, None]
    assert asked(capsys, "takedown", "remove", "not-there-yet", taken, "--lake", lake)["notes"] == 2
    assert asked(capsys, "takedown", "list", "--lake", lake)["orders"] == []
    assert asked(capsys, "show", taken, "--lake", lake)["notes"]


def test_prove_says_what_is_left_and_exits_with_1(lake, tmp_path, capsys):
    # Of other notes of this lake every piece of the text stands in another note, too.
    arguments = ["takedown", "prove", "n8", "--lake", lake, "--json"]
    assert command.main(arguments) == command.FAILED
    found = json.loads(capsys.readouterr().out)
    assert {one["what"] for one in found["traces"]} == {"id", "item_key", "text"}
    assert {"column note_id", "column neighbour_keys", "ids of the index"} <= {one["where"] for one in found["traces"]}
    assert command.main(["takedown", "prove", "not-there", "--lake", lake]) == command.DONE
    assert "nothing is left of 1 notes" in capsys.readouterr().out
    (tmp_path / "more").mkdir()
    (tmp_path / "more/notes.txt").write_text("as it was said in a note")
    more = ["--text", "said in a note", "--also", f"{tmp_path}/more"]
    assert command.main(["takedown", "prove", "not-there", "--lake", lake, *more]) == command.FAILED
    assert "text in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "n7"], "say why with --why"),
        (["add", "--why", "x"], "name the notes"),
        (["prove"], "name the notes"),
        (["list", "n7"], "takes none"),
        (["list", "--store", "lmdb:///x"], "go"),
    ],
)
def test_arguments_that_do_not_go_together(lake, capsys, arguments, says):
    assert command.main(["takedown", *arguments, "--lake", lake]) == command.BAD_CONFIG
    assert says in capsys.readouterr().err


def test_a_place_that_is_no_lake_gets_no_list(tmp_path, capsys):
    assert command.main(["takedown", "add", "n7", "--why", "x", "--lake", str(tmp_path)]) == command.FAILED
    assert "is no lake" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
