"""Where there is little to lose, and where what a release needs is lost."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from uninote.config.loading import load_config
from uninote.errors import UninoteError
from uninote.lake.releases.pointer import change_pointer
from uninote.lake.releases.record import Release, write_release
from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake.run import Run
from uninote.pipelines.release.case import Case
from uninote.pipelines.release.gates import _kept
from uninote.releases.open_release import open_release

LISTS = pa.schema(
    [
        ("note_id", pa.string()),
        ("neighbours", pa.list_(pa.struct([("note_id", pa.string()), ("score", pa.float32())]))),
    ]
)


def kept_of(lake, config_file, before, after):
    """Return the share of the lists `before` (note -> neighbours) that is in those `after`."""
    for lists in (before, after):
        rows = [
            {"note_id": note, "neighbours": [{"note_id": one, "score": 0.5} for one in entries]}
            for note, entries in lists.items()
        ]
        write_deltalake(f"{lake}/g/neighbours", pa.Table.from_pylist(rows, LISTS), mode="overwrite")
    releases = [Release(number, "", "r", "l", "g", {"g/neighbours": number - 1}, {}, {}) for number in (1, 2)]
    run = Run(None, load_config(config_file, [f"lake={lake}"]))
    case = Case(run, releases[1], releases[0])
    case.__dict__["entries"] = {("embed", "all"): {"counts": {"embedded": len(after), "unchanged": 0}}}
    return _kept(case, "neighbours", 1).recall


def test_a_live_release_without_lists_loses_none(tmp_path, config_file):
    assert kept_of(tmp_path / "none", config_file, {}, {"a": ["b"], "b": ["a"]}) == 1
    assert kept_of(tmp_path / "one", config_file, {"a": []}, {"a": ["b"], "b": ["a"]}) == 1


def test_a_night_that_keeps_half_and_one_that_keeps_nothing(tmp_path, config_file):
    before = {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]}
    half = {"a": ["b", "x"], "b": ["a", "x"], "c": ["a", "x"], "x": ["a", "b"]}
    assert kept_of(tmp_path / "half", config_file, before, half) == 0.5
    assert kept_of(tmp_path / "other", config_file, before, {"x": ["y"], "y": ["x"]}) == 0


def test_readers_of_a_version_that_is_lost_are_told_what_to_do(tmp_path):
    lake = str(tmp_path)
    write_deltalake(f"{lake}/g/neighbours", LISTS.empty_table())
    made = write_release(lake, Release(0, "", "r", "l", "g", {"g/neighbours": 7}, {}, {}), 0)
    change_pointer(lake, lambda before: replace(before, live=made.id, kept=(made.id,)))
    opened = open_release(lake)
    for read in (lambda: opened.table("neighbours"), lambda: opened.lookup(["a"]), lambda: lookup(lake, ["a"])):
        with pytest.raises(
            UninoteError, match=r"version 7 of .*neighbours.* cannot be read .*uninote releases rollback"
        ):
            read()
