"""A server and mapped files, as a night pushes to them and readers read them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pushes import LAKE, push, put, rows_of

from uninote.serving.encoding import encoded
from uninote.serving.layout import StoreError
from uninote.serving.opening import open_store
from uninote.serving.state import State
from uninote.serving.store import OnlineStore

FIRST = {"a": [("b", 0.75), ("c", 0.5)], "b": [("a", 0.75)], "c": []}


def all_of(store: OnlineStore) -> dict[object, object]:
    return store.get(["a", "b", "c", "d"])


def test_readers_see_nothing_before_the_flip_and_all_after_it(store):
    assert all_of(store) == {}
    put(store, 1, FIRST)
    assert all_of(store) == {}
    with pytest.raises(StoreError, match="release 1 is not whole"):
        store.flip(1)
    store.seal(1)
    store.flip(1)
    assert all_of(store) == FIRST
    assert store.get(["a", "a", "none"]) == {"a": FIRST["a"]}
    assert store.get(["a"], "other_table") == {}


def test_a_night_pushes_what_changed_and_a_flip_goes_forth_and_back(store):
    push(store, 1, FIRST)
    put(store, 2, {"a": [("d", 1.0)], "b": None, "d": [("a", 1.0)]})
    assert all_of(store) == FIRST
    store.seal(2)
    store.flip(2)
    second = {"a": [("d", 1.0)], "c": [], "d": [("a", 1.0)]}
    assert all_of(store) == second
    store.flip(1)
    assert all_of(store) == FIRST
    store.flip(2)
    assert all_of(store) == second
    assert store.state == State(LAKE, live=2, other=1)


def test_lists_of_numbered_notes(store):
    lists = {1: [(2, 0.5), (2**62, 0.25)], 2: [(1, 0.5)], 9: []}
    push(store, 1, lists)
    assert store.get([1, 2, 9, 4]) == lists
    store.hide([2])
    assert store.get([1, 2]) == {1: [(2**62, 0.25)]}


def test_hidden_notes_are_out_at_once_before_and_after_flips(store, place):
    push(store, 1, FIRST)
    store.hide(["b", "never-seen"])
    out = {"a": [("c", 0.5)], "c": []}
    assert all_of(store) == out
    assert store.hides("b")
    put(store, 2, {"b": [("c", 0.25)]})
    store.seal(2)
    assert all_of(store) == out
    store.flip(2)
    assert all_of(store) == out
    store.flip(1)
    assert all_of(store) == out
    assert store.hidden() == ["b", "never-seen"]
    store.unhide(["b", "c"])
    assert all_of(store) == FIRST
    assert store.hidden() == ["never-seen"]


READER = """
import json, sys
from uninote.serving.opening import open_store
store = open_store(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(store.get(json.loads(line))), flush=True)
"""


def test_another_process_sees_flips_and_hides_at_its_next_look_up(store, place):
    push(store, 1, FIRST)
    command = [sys.executable, "-c", READER, place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:

        def seen() -> dict[str, list[list[object]]]:
            reader.stdin.write(json.dumps(["a", "b"]) + "\n")
            reader.stdin.flush()
            return json.loads(reader.stdout.readline())

        assert seen() == {"a": [["b", 0.75], ["c", 0.5]], "b": [["a", 0.75]]}
        store.hide(["c"])
        assert seen()["a"] == [["b", 0.75]]
        push(store, 2, {"b": None, "a": [("c", 0.5), ("d", 0.25)]})
        assert seen() == {"a": [["d", 0.25]]}
        store.unhide(["c"])
        assert seen() == {"a": [["c", 0.5], ["d", 0.25]]}
        store.flip(1)
        assert seen()["a"] == [["b", 0.75], ["c", 0.5]]
        reader.stdin.close()


def test_a_push_that_died_is_run_again(store):
    push(store, 1, FIRST)
    second = {"a": [("c", 1.0)], "b": None, "d": [("c", 0.5)]}
    put(store, 2, {"a": second["a"]})  # and died
    assert all_of(store) == FIRST
    with pytest.raises(StoreError, match="release 2 is in the online store by half; drop it first"):
        store.begin(3, LAKE)
    push(store, 2, second)
    assert all_of(store) == {"a": [("c", 1.0)], "c": [], "d": [("c", 0.5)]}
    store.flip(1)
    assert all_of(store) == FIRST


def test_a_push_by_half_that_is_dropped_leaves_nothing(store):
    push(store, 1, FIRST)
    put(store, 2, {"a": [("c", 1.0)], "d": [("c", 0.5)]})
    store.drop(2)
    assert store.state == State(LAKE, live=1)
    push(store, 3, {"c": [("a", 0.5)]})
    assert all_of(store) == FIRST | {"c": [("a", 0.5)]}


def test_a_release_that_was_gone_back_from_is_dropped_before_the_next(store):
    push(store, 1, FIRST)
    push(store, 2, {"a": [("c", 1.0)], "b": None})
    store.flip(1)
    with pytest.raises(StoreError, match="release 2, newer than the live one"):
        store.begin(3, LAKE)
    store.drop(2)
    push(store, 3, {"c": [("a", 0.5)]})
    # With lists of release 2 among them readers would see those in the place of release 1's.
    assert all_of(store) == FIRST | {"c": [("a", 0.5)]}


def test_drop_of_the_last_release_leaves_one_list_and_no_note_that_is_gone(store):
    push(store, 1, FIRST)
    push(store, 2, {"a": [("c", 1.0)], "b": None})
    store.drop(1)
    assert all_of(store) == {"a": [("c", 1.0)], "c": []}
    held = dict(pair for batch in store._backend.scan() for pair in batch)
    assert set(held) == {b"neighbours:a", b"neighbours:c"}
    assert not any(b"b" in value for value in held.values())
    with pytest.raises(StoreError, match="release 1 is not whole"):
        store.flip(1)
    with pytest.raises(StoreError, match="release 2 is live"):
        store.drop(2)


def test_a_push_of_all_lists_retires_the_notes_that_have_none(store):
    push(store, 5, FIRST)
    store.begin(3, LAKE)  # an older one, which the store does not hold any more
    store.put_many(3, "neighbours", encoded(rows_of({"a": [("c", 0.25)], "c": []})))
    store.retire_others(3)
    store.seal(3)
    store.flip(3)
    assert all_of(store) == {"a": [("c", 0.25)], "c": []}
    store.flip(5)
    assert all_of(store) == FIRST
    store.drop(3)
    store.begin(7, LAKE)
    store.put_many(7, "neighbours", encoded(rows_of({"c": [("a", 0.25)]})))
    assert store.retire_others(7) == 2
    store.seal(7)
    store.flip(7)
    assert all_of(store) == {"c": [("a", 0.25)]}
    store.flip(5)
    assert all_of(store) == FIRST


def test_a_writer_whose_push_is_not_the_stores_any_more_is_refused(store):
    put(store, 1, {"a": []})
    store.drop(1)
    with pytest.raises(StoreError, match="cannot be put"):
        store.put_many(1, "neighbours", encoded(rows_of(FIRST)))
    with pytest.raises(StoreError, match="cannot be put"):
        store.seal(1)
    with pytest.raises(StoreError, match="another process changed"):
        store._backend.write(b"another record", {b"neighbours:a": b""})
    assert all_of(store) == {}


def test_a_store_is_one_lakes(store):
    push(store, 1, FIRST)
    with pytest.raises(StoreError, match="holds lists of the lake lake-1, not of lake-2"):
        store.begin(2, "lake-2")


def test_more_lists_than_are_written_at_once(store):
    many = {f"n{number}": [(f"n{number + 1}", 0.5)] for number in range(5_001)}
    push(store, 1, many)
    assert store.get(list(many)) == many
    push(store, 2, dict.fromkeys(many) | {"n7": [("n9", 1.0)]})
    assert store.get(list(many)) == {"n7": [("n9", 1.0)]}
    store.drop(1)
    assert sum(len(batch) for batch in store._backend.scan()) == 1


def test_ids_of_any_length_and_alphabet(store):
    strange = {"": [("日本", 0.5)], "日本": [("x" * 2000, 0.25)], "x" * 2000: [("", 0.5)], "a:b*?": []}
    push(store, 1, strange)
    assert store.get(list(strange)) == strange
    store.hide(["x" * 2000, "日本"])
    assert store.get(list(strange)) == {"": [], "a:b*?": []}
    assert store.hidden() == sorted(["x" * 2000, "日本"])


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(StoreError, match="does not answer"):
        open_store("redis://127.0.0.1:1/0").get(["a"])
    with pytest.raises(StoreError, match="no online store there"):
        open_store(f"lmdb://{tmp_path}/none")
    with pytest.raises(StoreError, match="names no online store"):
        open_store("https://example.org")
    with pytest.raises(StoreError, match="holds credentials") as caught:
        open_store("redis://me:secret-word@127.0.0.1/0")
    assert "secret-word" not in str(caught.value)
    for package in ("redis", "lmdb"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(StoreError, match=r'pip install "uninote\[serving\]"'):
            open_store(f"{package}://127.0.0.1:1/0", create=True)


def test_a_server_that_forgets_when_it_is_full_is_refused(server):
    uri = f"redis://127.0.0.1:{server.port}/0?prefix=full"
    store = open_store(uri)
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(StoreError, match="set it to noeviction"):
                store.begin(1, LAKE)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    store.begin(1, LAKE)
    assert store.state.pushing == 1
