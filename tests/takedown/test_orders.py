"""The list of takedowns: a chain that holds the whole state, and what it keeps of a note that is erased."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from uninote.lake.takedowns import watch
from uninote.lake.takedowns.orders import TakedownError, add, mark_erased, read_orders, remove
from uninote.lake.takedowns.watch import InLake, Taken, Watch, taken_down


@pytest.fixture
def lake(tmp_path) -> str:
    return str(tmp_path)


def test_no_list_hides_nothing(lake):
    assert read_orders(lake) == ()
    assert not taken_down(lake)
    assert not taken_down(lake).hides("a")


def test_a_note_is_hidden_until_it_is_let_in_again(lake):
    (order,) = add(lake, ["7"], "asked for")
    assert (order.note_id, order.why, order.erased_at) == ("7", "asked for", None)
    # Numbers are known by their text, whichever of both a lake has.
    assert taken_down(lake).hides("7")
    assert taken_down(lake).hides(7)
    assert not taken_down(lake).hides("8")
    assert add(lake, ["7"], "once more") == (order,)
    remove(lake, ["7"])
    assert not taken_down(lake).hides("7")
    with pytest.raises(TakedownError, match="7: not in the list of takedowns"):
        remove(lake, ["7"])


def test_of_an_erased_note_a_hash_is_left(lake):
    add(lake, ["secret-note", "other"], "names nobody")
    (order, _) = read_orders(lake)
    mark_erased(lake, [order.digest])
    stored = b"".join(path.read_bytes() for path in Path(lake).rglob("*") if path.is_file())
    assert b"secret-note" not in stored
    assert b"other" in stored
    found = read_orders(lake)[0]
    assert (found.note_id, found.why, found.digest) == (None, None, order.digest)
    assert taken_down(lake).hides("secret-note")
    assert not taken_down(lake).hides("another")
    # It is in the list already, and goes by its id.
    assert add(lake, ["secret-note"], "again") == (found,)
    remove(lake, ["secret-note"])
    assert not taken_down(lake).hides("secret-note")


def test_hashes_of_two_lakes_do_not_compare(tmp_path):
    digests = {add(str(tmp_path / name), ["a"], "why")[0].digest for name in ("one", "two")}
    assert len(digests) == 2


def test_of_several_at_once_none_is_lost(lake):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add(lake, [f"n{number}"], "why"), range(16)))
    assert taken_down(lake).names == {f"n{number}" for number in range(16)}


def test_a_lost_key_and_a_damaged_list_are_said(lake):
    add(lake, ["a"], "why")
    key = Path(lake, "takedowns/key")
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(TakedownError, match="key is gone"):
        taken_down(lake)
    with pytest.raises(TakedownError, match="key is gone"):
        add(lake, ["b"], "why")
    key.write_bytes(content)
    (newest,) = Path(lake, "takedowns").glob("list-*")
    newest.write_bytes(b"{}")
    with pytest.raises(TakedownError, match="list of takedowns is damaged"):
        taken_down(lake)


def test_an_opened_reader_looks_once_a_second(lake, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    opened = Watch(InLake(lake))
    add(lake, ["a"], "why")
    assert opened.now() == Taken()
    clock[0] += 1
    assert opened.now().names == {"a"}


def test_a_reader_is_told_that_what_it_reads_was_erased(lake, monkeypatch):
    monkeypatch.setattr(watch, "_PERIOD_S", 0.0)
    (order,) = add(lake, ["a"], "why")
    told = []
    alone, asked = Watch(InLake(lake)), Watch(InLake(lake), lambda: told.append(1))
    mark_erased(lake, [order.digest])
    for _ in range(2):
        with pytest.raises(TakedownError, match="erased since this was opened"):
            alone.now()
        assert asked.now().hides("a")
    assert told == [1]
    assert Watch(InLake(lake)).now().hides("a")
