"""The command `uninote`, on a lake that earlier code made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import unpack
from deltalake import DeltaTable

from uninote.cli import command, status
from uninote.cli.status import parse_age
from uninote.lake.lease import lease
from uninote.lake.paths import Lake
from uninote.lake.releases.pointer import change_pointer
from uninote.lake.releases.record import Release, write_release
from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake import ledger

ARCHIVE = Path(__file__).parents[1] / "golden" / "lake-4.tar.xz"


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("lake")
    unpack(ARCHIVE, folder)
    return str(folder / "lake")


def asked(capsys, *arguments: str) -> dict[str, object]:
    assert command.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments: str) -> tuple[int, str]:
    return command.main(arguments), capsys.readouterr().err


def test_status_says_what_ran_last(lake, capsys):
    found = asked(capsys, "status", "--lake", lake)
    assert [(one["stage"], one["unit"]) for one in found["stages"]][:3] == [
        ("ingest", "all"),
        ("embed", "all"),
        ("index", "w16"),
    ]
    assert found["stages"][0]["counts"]["notes"] == len(DeltaTable(f"{lake}/notes").to_pyarrow_table())
    assert found["writing"] is None
    assert command.main(["status", "--lake", lake]) == 0
    assert "neighbours  up to date" in capsys.readouterr().out


def test_status_imports_no_more_than_it_needs(lake):
    program = (
        f"import sys; from uninote.cli.command import main; main(['status', '--lake', {lake!r}]); "
        "sys.exit(' '.join({'pandas', 'faiss', 'pyspark', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "\n")


def test_status_counts_a_run_that_found_nothing_to_do(lake, capsys):
    last = ledger.last_of(Lake(lake), "ingest", "all")
    ledger.append(Lake(lake), {**last, "state": "unchanged", "run_id": "a-later-run"})
    ingest = asked(capsys, "status", "--lake", lake)["stages"][0]
    assert (ingest["stage"], ingest["state"], ingest["run_id"]) == ("ingest", "unchanged", "a-later-run")


def test_status_fails_where_neighbours_are_older_than_allowed(lake, capsys, monkeypatch):
    ended = datetime.fromisoformat(asked(capsys, "status", "--lake", lake)["neighbours_checked_at"])

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(ended.timestamp() + 7200, UTC)

    monkeypatch.setattr(status, "datetime", Later)
    assert command.main(["status", "--lake", lake, "--max-age", "2.1h"]) == 0
    code, message = refused(capsys, "status", "--lake", lake, "--max-age", "90m")
    assert code == command.TOO_OLD
    assert "2.0 h ago, and 90.0 m are allowed" in message


def test_status_names_the_run_that_writes_now(lake, capsys):
    held = lease.take(lake, "refresh", "run-1")
    try:
        assert "refresh (run run-1" in asked(capsys, "status", "--lake", lake)["writing"]
    finally:
        held.release()
    assert asked(capsys, "status", "--lake", lake)["writing"] is None


def test_neighbours_are_those_of_lookup_with_titles(lake, capsys):
    (found,) = asked(capsys, "neighbours", "n7", "--lake", lake)["lists"]
    titles = {row["note_id"]: row["title"] for row in DeltaTable(f"{lake}/notes").to_pyarrow_table().to_pylist()}
    listed = [(one["note_id"], pytest.approx(one["score"])) for one in found["neighbours"]]
    assert listed == lookup(lake, ["n7"])["n7"]
    assert [one["title"] for one in found["neighbours"]] == [titles[one["note_id"]] for one in found["neighbours"]]


def test_show_has_the_note_its_items_and_what_was_set_aside(lake, capsys):
    rows = DeltaTable(f"{lake}/quarantine").to_pyarrow_table().to_pylist()
    broken = rows[0]["item_id"].split("#")[0]
    found = asked(capsys, "show", "n7", broken, "--lake", lake)["notes"]
    assert found[0]["note"]["note_id"] == "n7"
    assert [len(items) > 0 for items in found[0]["items"].values()] == [True]
    assert found[0]["quarantine"] == []
    assert rows[0]["reason"] in {row["reason"] for row in found[1]["quarantine"]}


def test_notes_are_those_of_the_live_release(lake, tmp_path, capsys):
    copy = shutil.copytree(lake, tmp_path / "lake")
    before = asked(capsys, "show", "n4", "--lake", str(copy))["notes"][0]["note"]["title"]
    notes = DeltaTable(f"{copy}/notes")
    made = Release(0, "2026-11-27T00:00:00+00:00", "r", "lake", "g", {"notes": notes.version()}, {}, {})
    number = write_release(str(copy), made, 0).id
    change_pointer(str(copy), lambda state: replace(state, live=number, kept=(number,), change="test"))
    notes.update({"title": "'in no release yet'"}, predicate="note_id = 'n4'")
    assert asked(capsys, "show", "n4", "--lake", str(copy))["notes"][0]["note"]["title"] == before


def test_what_is_not_there_is_said_in_a_sentence(lake, tmp_path, capsys, monkeypatch):
    assert "n-none: the lake holds nothing of it" in refused(capsys, "show", "n-none", "--lake", lake)[1]
    assert "n-none: no list in neighbours" in refused(capsys, "neighbours", "n-none", "--lake", lake)[1]
    assert "it has no lake.json" in refused(capsys, "status", "--lake", str(tmp_path))[1]
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, "status")[0] == command.BAD_CONFIG


@pytest.mark.parametrize(("text", "seconds"), [("26h", 93600), ("90m", 5400), ("1.5d", 129600), ("30s", 30)])
def test_ages(text, seconds):
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["26", "h", "-1h", "1w", ""])
def test_what_is_no_age(text):
    with pytest.raises(ValueError, match="is no age"):
        parse_age(text)


@pytest.fixture
def damaged(lake, tmp_path) -> str:
    """A lake whose tables have logs of which a line is cut off."""
    shutil.copytree(lake, tmp_path / "damaged")
    for log in (tmp_path / "damaged").rglob("_delta_log/*.json"):
        log.write_text('{"a')
    return str(tmp_path / "damaged")


@pytest.mark.parametrize("words", [("status",), ("neighbours", "n1"), ("show", "n1")])
def test_a_damaged_table_is_told_in_a_sentence(damaged, capsys, words):
    code, said = refused(capsys, *words, "--lake", damaged)
    assert code == command.FAILED
    assert said.startswith(f"error: the log of {damaged}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", ["list", "show", "diff 1", "rollback", "pin 1 --why x", "unpin 1"])
def test_releases_of_what_is_no_lake(tmp_path, capsys, words):
    (tmp_path / "file").write_text("")
    for place, why in ((tmp_path / "none", "it has no lake.json"), (tmp_path / "file", "is a file")):
        code, said = refused(capsys, "releases", *words.split(), "--lake", str(place))
        assert (code, why in said) == (command.FAILED, True)
