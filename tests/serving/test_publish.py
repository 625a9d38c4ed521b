"""Releases of neighbour tables, published to a server and to files."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable, write_deltalake
from pushes import LAKE, push, put, rows_of

from uninote.neighbours.list_changes import TableVersion
from uninote.serving import publish as publishing
from uninote.serving.layout import StoreError
from uninote.serving.publish import Counts, Published, publish
from uninote.serving.state import State

FIRST = {"a": [("b", 0.75)], "b": [("a", 0.75)], "c": []}
SECOND = {"a": [("d", 1.0)], "c": [], "d": [("a", 1.0)]}
NOTES = ["a", "b", "c", "d", "e"]


@pytest.fixture
def release(tmp_path):
    """Return a function that writes lists as a new version of the table, and names it as a release."""

    def write(number: int, lists: dict, table: str = "neighbours") -> Published:
        uri = str(tmp_path / table)
        write_deltalake(uri, rows_of(lists), mode="overwrite")
        return Published(number, LAKE, {table: TableVersion(uri, DeltaTable(uri).version())})

    return write


def test_a_night_pushes_what_changed(store, release):
    one, two = release(1, FIRST), release(2, SECOND)
    assert publish(store, one, None).tables == {"neighbours": Counts(rows=3, pushed=3)}
    assert store.get(NOTES) == FIRST
    outcome = publish(store, two, one)
    assert (outcome.state, outcome.release, outcome.previous) == ("published", 2, 1)
    assert outcome.tables == {"neighbours": Counts(rows=3, pushed=2, unchanged=1, gone=1)}
    assert store.get(NOTES) == SECOND
    assert publish(store, two, one).state == "unchanged"
    assert publish(store, one, two).state == "flipped"
    assert store.get(NOTES) == FIRST
    assert publish(store, two, one).state == "flipped"
    assert store.get(NOTES) == SECOND


def test_the_release_after_one_that_was_gone_back_from(store, release):
    one, two, three = release(1, FIRST), release(2, SECOND), release(3, FIRST | {"c": [("b", 0.5)]})
    publish(store, one, None)
    publish(store, two, one)
    publish(store, one, two)
    outcome = publish(store, three, one)
    assert outcome.tables["neighbours"] == Counts(rows=3, pushed=1, unchanged=2)
    assert store.get(NOTES) == FIRST | {"c": [("b", 0.5)]}
    assert store.state == State(LAKE, live=3, other=1)


def test_tables_come_and_go(store, release):
    one = release(1, FIRST)
    two = release(2, {"e": [("a", 0.5)]}, "same_author")
    both = Published(2, LAKE, {**one.tables, **two.tables})
    publish(store, one, None)
    publish(store, both, one)
    assert store.get(NOTES) == FIRST
    assert store.get(NOTES, "same_author") == {"e": [("a", 0.5)]}
    outcome = publish(store, Published(3, LAKE, two.tables), both)
    assert outcome.tables["neighbours"] == Counts(gone=3)
    assert store.get(NOTES) == {}
    assert store.get(NOTES, "same_author") == {"e": [("a", 0.5)]}


class DiedError(Exception):
    """What stands for a kill in these tests: no clean-up follows it."""


@pytest.mark.parametrize("then", ["the same", "another"])
@pytest.mark.parametrize("call", range(1, 9))
def test_a_publish_that_died_leaves_the_pointer_and_is_run_again(store, release, monkeypatch, call, then):
    one, two = release(1, FIRST), release(2, SECOND)
    publish(store, one, None)
    write, calls = store._backend.write, []

    def dying(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == call:
            raise DiedError
        write(*arguments)

    with monkeypatch.context() as dies:
        dies.setattr(store._backend, "write", dying)
        try:
            publish(store, two, one)
        except DiedError:
            assert store.get(NOTES) == FIRST
    if then == "the same":
        publish(store, two, one)
        assert store.get(NOTES) == SECOND
        publish(store, one, two)
        assert store.get(NOTES) == FIRST
    elif store.state.live == 1:
        publish(store, release(3, FIRST | {"e": [("a", 0.25)]}), one)
        assert store.get(NOTES) == FIRST | {"e": [("a", 0.25)]}


def test_where_readers_are_elsewhere_all_lists_are_pushed_again(store, release, monkeypatch):
    checked = []
    push(store, 7, {"a": [("b", 0.75)], "x": [("a", 0.5)]})
    two = release(2, SECOND)
    with pytest.raises(StoreError, match="see release 7, not 1"):
        publish(store, two, release(1, FIRST))
    seventh = {"a": [("b", 0.75)], "x": [("a", 0.5)]}
    flip = store.flip
    with monkeypatch.context() as before:
        before.setattr(store, "flip", lambda release: (checked.append(store.get([*NOTES, "x"])), flip(release)))
        outcome = publish(store, two, None)
    assert checked == [seventh]
    assert outcome.tables == {"neighbours": Counts(rows=3, pushed=3)}
    assert store.get([*NOTES, "x"]) == SECOND
    store.flip(7)
    assert store.get([*NOTES, "x"]) == seventh


def test_a_store_that_lost_lists_is_noticed(store, release):
    one, two = release(1, FIRST), release(2, FIRST | {"b": []})
    publish(store, one, None)
    state = store._backend.read([]).state
    store._backend.write(state, {b"neighbours:a": None})
    with pytest.raises(StoreError, match="lost lists of neighbours of release 1, that of a among them; run this again"):
        publish(store, two, one)
    assert store.state.live == 1
    publish(store, two, None)
    assert store.get(NOTES) == FIRST | {"b": []}


def test_the_live_release_is_pushed_again_where_lists_are_lost(store, release, monkeypatch):
    one, two = release(1, FIRST), release(2, SECOND)
    publish(store, one, None)
    publish(store, two, one)
    state = store._backend.read([]).state
    store._backend.write(state, {b"neighbours:a": None})
    with monkeypatch.context() as dies:
        dies.setattr(store, "seal", lambda release: (_ for _ in ()).throw(DiedError))
        with pytest.raises(DiedError):
            publish(store, two, None)
    assert store.get(NOTES) == SECOND
    assert store.state == State(LAKE, live=2, pushing=2)
    three = release(3, FIRST)
    publish(store, three, two)
    assert store.get(NOTES) == FIRST
    publish(store, three, None)
    assert store.get(NOTES) == FIRST
    assert store.state == State(LAKE, live=3)


def test_counts_that_do_not_add_up_leave_the_pointer(store, release, monkeypatch):
    one, two = release(1, FIRST), release(2, SECOND)
    publish(store, one, None)
    monkeypatch.setattr(publishing, "rows_in_log", lambda uri, version: 4)
    with pytest.raises(StoreError, match="has 4 rows by its log, and 2 pushed and 1 unchanged"):
        publish(store, two, one)
    assert store.get(NOTES) == FIRST


def test_hidden_notes_stay_hidden_through_a_publish(store, release):
    one, two = release(1, FIRST), release(2, SECOND)
    publish(store, one, None)
    store.hide(["d"])
    publish(store, two, one)
    assert store.get(NOTES) == {"a": [], "c": []}


def test_a_push_by_half_of_another_release_is_cleaned_up(store, release):
    one, three = release(1, FIRST), release(3, FIRST | {"c": [("a", 0.5)]})
    publish(store, one, None)
    put(store, 2, {"a": [("e", 0.5)]})
    publish(store, three, one)
    assert store.get(NOTES) == FIRST | {"c": [("a", 0.5)]}
