"""Which lists differ between two versions of a neighbour table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from deltalake import DeltaTable, WriterProperties, write_deltalake
from pushes import rows_of

from uninote.lake.delta_files import DeltaFilesError
from uninote.neighbours import list_changes
from uninote.neighbours.list_changes import TableVersion, compare
from uninote.serving.encoding import encoded
from uninote.serving.layout import neighbours_in


def drawn(rng: random.Random, ids: list) -> dict:
    return {one: [(other, rng.randrange(100) / 128) for other in rng.sample(ids, rng.randrange(5))] for one in ids}


def write(uri: str, lists: dict, files: int, mode: str = "overwrite") -> TableVersion:
    """Write lists in order of note_id into so many files, and return the version."""
    rows = rows_of(dict(sorted(lists.items())))
    cut = -(-len(rows) // files) if len(rows) else 1
    for start in range(0, max(len(rows), 1), cut):
        write_deltalake(uri, rows.slice(start, cut), mode=mode if start == 0 else "append")
    return TableVersion(uri, DeltaTable(uri).version())


def found(old: TableVersion | None, new: TableVersion | None) -> tuple[dict, list, int, list]:
    parts = list(compare(old, new))
    changed = [row for part in parts for row in part.changed.to_pylist()]
    lists = {row["note_id"]: [(one["note_id"], one["score"]) for one in row["neighbours"]] for row in changed}
    assert len(lists) == len(changed)
    sample = [row for part in parts for row in part.sample["note_id"].to_pylist()]
    return lists, sorted(one for part in parts for one in part.gone), sum(part.unchanged for part in parts), sample


@pytest.mark.parametrize("kind", [int, str])
@pytest.mark.parametrize("files", [(1, 1), (3, 3), (2, 5), (5, 2)])
def test_lists_that_differ_are_found_wherever_files_are_cut(tmp_path, kind, files):
    rng = random.Random(repr((kind, files)))
    ids = [kind(number) for number in range(300)]
    old = drawn(rng, ids)
    new = dict(old)
    for one in rng.sample(ids, 30):
        del new[one]
    for one in rng.sample(sorted(new), 40):
        new[one] = drawn(rng, ids[:9])[ids[0]]
    added = [kind(number) for number in range(1000, 1020)]
    new |= drawn(rng, added)
    uri = str(tmp_path / "lists")
    versions = write(uri, old, files[0]), write(uri, new, files[1])
    changed, gone, unchanged, sample = found(*versions)
    assert changed == {one: entries for one, entries in new.items() if old.get(one) != entries}
    assert gone == sorted(set(old) - set(new))
    assert unchanged == len(new) - len(changed)
    assert sample
    assert set(sample) <= set(new) - set(changed)
    assert found(None, versions[1])[:3] == (new, [], 0)
    assert found(versions[0], None)[:3] == ({}, sorted(old), 0)


def test_files_in_both_versions_are_not_compared(tmp_path, monkeypatch):
    uri = str(tmp_path / "lists")
    old = write(uri, {"a": [("b", 0.5)], "b": []}, 2)
    new = write(uri, {"x": [("a", 0.5)]}, 1, mode="append")
    compared = list_changes._differences
    seen = []
    monkeypatch.setattr(list_changes, "_differences", lambda *sides: seen.append(sides) or compared(*sides))
    lists, gone, unchanged, sample = found(old, new)
    assert (lists, gone, unchanged, sorted(sample)) == ({"x": [("a", 0.5)]}, [], 2, ["a", "b"])
    assert [ours for ours, _ in seen] == [None]


def test_a_score_that_moved_by_its_last_bit_is_a_change(tmp_path):
    uri = str(tmp_path / "lists")
    old = write(uri, {"a": [("b", 0.5)], "b": [("a", 0.5)]}, 1)
    new = write(uri, {"a": [("b", 0.5 + 2**-24)], "b": [("a", 0.5)]}, 1)
    assert found(old, new)[0] == {"a": [("b", 0.5 + 2**-24)]}


def test_a_large_file_is_read_by_its_groups_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(list_changes, "_MOST_ROWS", 100)
    lists = {number: [(number + 1, 0.5)] for number in range(1000)}
    uri = str(tmp_path / "lists")
    groups = WriterProperties(max_row_group_size=50)
    write_deltalake(uri, rows_of(lists), mode="overwrite", writer_properties=groups)
    grouped = TableVersion(uri, DeltaTable(uri).version())
    other = write(uri, lists | {77: []}, 1)
    parts = list(compare(other, grouped))
    assert max(part.unchanged for part in parts) <= 50
    assert [row for part in parts for row in part.changed["note_id"].to_pylist()] == [77]
    assert sum(part.unchanged for part in parts) == 999


def test_files_that_are_gone_are_said(tmp_path):
    uri = str(tmp_path / "lists")
    version = write(uri, {"a": []}, 1)
    Path(DeltaTable(uri).file_uris()[0].removeprefix("file://")).unlink()
    with pytest.raises(DeltaFilesError, match="is gone"):
        found(None, version)


def test_files_that_deltalake_wrote_anew_are_read_as_others(tmp_path):
    lists = {f"n{number}": [("n1", 0.5), ("n2", 0.25)] for number in range(9)}
    uri = str(tmp_path / "lists")
    old = write(uri, lists, 2)
    DeltaTable(uri).delete("note_id = 'n3'")
    new = TableVersion(uri, DeltaTable(uri).version())
    del lists["n3"]
    assert found(old, new)[:3] == ({}, ["n3"], 8)
    (parts, more) = compare(None, new)
    assert {key: neighbours_in(body) for rows in (parts, more) for key, body in encoded(rows.changed)} == lists
    assert sum(len(list(encoded(part.sample))) for part in compare(new, new)) == 2
