"""The online store that the configuration names: `publish`, `hide` and `takedown` reach it by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import unpack
from test_online_store import ARCHIVE, make_release

from uninote.cli import command
from uninote.config.loading import load_config
from uninote.errors import ConfigError
from uninote.lake.takedowns.watch import taken_down
from uninote.neighbours.lookup import lookup
from uninote.serving.opening import open_store


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, whose configuration names a lake with a release, and a store that is not there yet."""
    unpack(ARCHIVE, tmp_path)
    make_release(str(tmp_path / "lake"))
    configure(tmp_path, f"lmdb://{tmp_path}/store")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(folder, store):
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf" / "local.yaml").write_text(f"lake: ../lake\nserving: {{store: '{store}'}}\n")


def in_store(folder, notes):
    store = open_store(f"lmdb://{folder}/store")
    try:
        return store.get(notes), store.hidden()
    finally:
        store.close()


def test_commands_reach_the_store_that_the_configuration_names(folder, capsys):
    assert command.main(["publish", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["store"] == f"lmdb://{folder}/store"
    assert in_store(folder, ["n1", "n2"])[0].keys() == {"n1", "n2"}
    assert command.main(["takedown", "add", "n1", "--why", "an order"]) == 0
    assert f"they are hidden in lmdb://{folder}/store" in capsys.readouterr().out
    assert command.main(["hide", "add", "n2"]) == 0
    assert in_store(folder, ["n1", "n2"]) == ({}, ["n1", "n2"])
    assert command.main(["takedown", "remove", "n1"]) == 0
    assert command.main(["hide", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["hidden"] == ["n2"]


def test_the_lake_that_is_named_decides_whose_store_it_is(folder, tmp_path, capsys):
    assert command.main(["publish", "--lake", str(folder / "lake")]) == 0  # the configuration's own
    (tmp_path / "other").mkdir()
    unpack(ARCHIVE, tmp_path / "other")
    other = str(tmp_path / "other" / "lake")
    make_release(other)
    capsys.readouterr()
    assert command.main(["takedown", "add", "n2", "--why", "an order", "--lake", other]) == 0
    assert "no online store is named, and none was told" in capsys.readouterr().out
    assert in_store(folder, ["n2"])[0]
    assert command.main(["publish", "--lake", other]) == command.BAD_CONFIG
    assert "name one with --store, or as serving.store" in capsys.readouterr().err


@pytest.mark.parametrize("store", ["redis://127.0.0.1:1/0", "lmdb:///nowhere/store"])
def test_a_takedown_stands_where_the_store_does_not_hear_of_it_and_says_so(folder, capsys, store):
    configure(folder, store)
    assert lookup(str(folder / "lake"), ["n1"])
    assert command.main(["takedown", "add", "n1", "--why", "an order"]) == 1
    said = capsys.readouterr()
    assert f"the online store {store} was not" in said.err
    assert f"Run `uninote hide add` with the same notes and --store {store} until it succeeds" in said.err
    assert said.out == ""
    assert "n1" in taken_down(str(folder / "lake")).names
    assert lookup(str(folder / "lake"), ["n1"]) == {}
    # The next publish, to a store that answers, hides it.
    configure(folder, f"lmdb://{folder}/store")
    assert command.main(["publish"]) == 0
    assert in_store(folder, ["n1"]) == ({}, ["n1"])


def test_a_configuration_that_cannot_be_read_does_not_undo_a_takedown(folder, capsys):
    (folder / "conf" / "local.yaml").write_text("lake: [")
    assert command.main(["takedown", "add", "n1", "--why", "x", "--lake", str(folder / "lake")]) == command.BAD_CONFIG
    assert "the lake's list of takedowns was changed, and whether it has an online store" in capsys.readouterr().err
    assert "n1" in taken_down(str(folder / "lake")).names


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        ("{store: /srv/store}", "should be redis://host:6379/0"),
        ("{store: 'lmdb://store'}", "a folder by its whole path"),
        ("{publish: true}", "publish is true and store names no online store"),
    ],
)
def test_what_is_no_store_is_refused(tmp_path, serving, said):
    path = tmp_path / "lake.yaml"
    path.write_text(f"lake: lake\nserving: {serving}\n")
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_secrets_are_neither_kept_nor_shown(folder, capsys):
    secret = "redis://user:hunter2@cache:6379/0"
    configure(folder, secret)
    assert command.main(["publish"]) == command.BAD_CONFIG
    assert command.main(["takedown", "add", "n1", "--why", "x", "--store", secret, "--lake", "lake"]) == 1
    said = capsys.readouterr()
    assert "UNINOTE_STORE_PASSWORD" in said.err
    assert "hunter2" not in said.err + said.out
    stored = b"".join(path.read_bytes() for path in Path("lake").rglob("*") if path.is_file())
    assert b"hunter2" not in stored
