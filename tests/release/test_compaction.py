"""Small files joined: the same rows, no news for readers of the feed, old versions as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.change_feed import changed_values, files_since
from uninote.lake.lease.fence import commits_under, highest_holder
from uninote.lake.lease.lease import take
from uninote.lake.rewriting import StoredFile
from uninote.lake.row_changes import RowChanges
from uninote.lake.upkeep import compaction
from uninote.lake.upkeep.compaction import Compacted, CompactionRule, compact, small_ranges
from uninote.lake.upkeep.vacuum import Needed, remove_unneeded

RULE = CompactionRule(files=4, small_bytes=1 << 20, most_bytes=1 << 30)
SCHEMA = pa.schema(
    [
        ("note_id", pa.string()),
        ("images", pa.list_(pa.struct([("uri", pa.string()), ("ocr", pa.string())]))),
        ("vector", pa.list_(pa.float32())),
        ("at", pa.timestamp("us", tz="UTC")),
        ("counts", pa.map_(pa.string(), pa.int64())),
    ]
)


def rows(names):
    made = []
    for name in names:
        images = [{"uri": f"{name}.png", "ocr": None}, {"uri": "b", "ocr": name}]
        made.append({"note_id": name, "images": images, "vector": [0.5], "at": 10**15, "counts": [("a", 1)]})
    return pa.Table.from_pylist(made, SCHEMA)


def nights(folder, count):
    """Return a table to which so many nights appended a note each, by deltalake."""
    uri = f"{folder}/notes"
    for number in range(count):
        write_deltalake(
            uri, rows([f"n{number:03d}"]), mode="append", configuration={"delta.enableChangeDataFeed": "true"}
        )
    return uri


def content(uri, version=None):
    return DeltaTable(uri, version=version).to_pyarrow_table().sort_by("note_id").to_pylist()


def test_nights_of_small_files_become_one_file_with_the_same_rows_and_no_change(tmp_path):
    uri = nights(tmp_path, 9)
    before = content(uri)
    found = compact(uri, RULE)
    assert (found.before, found.after) == (9, 1)
    table = DeltaTable(uri)
    assert len(table.file_uris()) == 1
    assert table.history(1)[0]["operation"] == "OPTIMIZE"
    assert content(uri) == before == content(uri, 8)
    # Nobody who follows the table hears of it: by deltalake's feed, by ours, by what changed values it names.
    assert pa.table(table.load_cdf(9, 9)).num_rows == 0
    assert files_since(uri, 8, 9) == []
    assert changed_values(uri, 8, 9, "note_id").to_pylist() == []
    assert sorted(changed_values(uri, 6, 9, "note_id").to_pylist()) == ["n007", "n008"]
    assert compact(uri, RULE) == Compacted()
    # Readers by bounds find rows in the joined file.
    wanted = [("note_id", "=", "n004")]
    assert table.to_pyarrow_table(filters=wanted)["note_id"].to_pylist() == ["n004"]


def test_what_is_few_or_large_stays(tmp_path):
    uri = nights(tmp_path, 3)
    assert compact(uri, RULE) == Compacted()
    assert compact(uri, CompactionRule(files=2, small_bytes=10, most_bytes=1 << 30)) == Compacted()
    assert compact(f"{tmp_path}/none", RULE) == Compacted()
    assert DeltaTable(uri).version() == 2


def test_a_dry_run_says_what_would_be_joined_and_writes_nothing(tmp_path):
    uri = nights(tmp_path, 5)
    found = compact(uri, RULE, dry_run=True)
    assert (found.before, found.after) == (5, 1)
    assert found.bytes > 0
    assert DeltaTable(uri).version() == 4


def test_rows_change_on_top_of_it_as_ever(tmp_path):
    uri = nights(tmp_path, 6)
    compact(uri, RULE)
    changed = rows(["n002", "new"]).append_column("_deleted", pa.array([True, False]))
    assert RowChanges(uri, changed, ["note_id"]).apply() == 7
    assert [row["note_id"] for row in content(uri)] == ["n000", "n001", "n003", "n004", "n005", "new"]
    feed = pa.table(DeltaTable(uri).load_cdf(6, 7)).select(["note_id", "_change_type"]).to_pylist()
    assert sorted(map(tuple, map(dict.values, feed))) == [("n002", "delete"), ("new", "insert")]


def test_the_versions_of_kept_releases_and_unread_feeds_outlive_it(tmp_path, monkeypatch):
    uri = nights(tmp_path, 6)
    before = content(uri)
    compact(uri, RULE)
    monkeypatch.setattr("uninote.lake.upkeep.vacuum.time.time", lambda: 10**10)  # files of long ago
    assert remove_unneeded(uri, Needed(frozenset({5}), 3)).files == 0
    assert content(uri, 5) == before
    # Once the release is gone, what the feed has still to be read from stays: two nights.
    assert remove_unneeded(uri, Needed(frozenset(), 3)).files == 4
    assert sorted(changed_values(uri, 3, 6, "note_id").to_pylist()) == ["n004", "n005"]
    assert content(uri) == before


def test_it_carries_the_number_of_the_lease_and_gives_way_to_another_commit(tmp_path, monkeypatch):
    uri = nights(tmp_path, 6)
    lease = take(str(tmp_path / "lake"), "test", "run")
    try:
        with commits_under(lease):
            compact(uri, RULE)
    finally:
        lease.release()
    assert highest_holder(DeltaTable(uri)) == lease.number
    uri = nights(tmp_path / "other", 6)
    names = set(map(str, (tmp_path / "other").rglob("*.parquet")))
    write = compaction.write_file

    def overtaken(table, folder):
        made = write(table, folder)
        write_deltalake(uri, rows(["late"]), mode="append")
        return made

    monkeypatch.setattr(compaction, "write_file", overtaken)
    assert compact(uri, RULE) == Compacted()
    assert len(content(uri)) == 7
    # What it wrote is not left behind.
    assert len(set(map(str, (tmp_path / "other").rglob("*.parquet"))) - names) == 1


def test_a_damaged_file_is_for_whoever_needs_it(tmp_path):
    uri = nights(tmp_path, 5)
    damaged = DeltaTable(uri).file_uris()[2].removeprefix("file://")
    Path(damaged).write_bytes(Path(damaged).read_bytes()[:99])
    assert compact(uri, RULE) == Compacted()
    assert DeltaTable(uri).version() == 4


def stored(name, size, low, high):
    return StoredFile(name, size, low, high)


SMALL = {name: stored(name, 1, 2 * number, 2 * number + 1) for number, name in enumerate("abcdef")}


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        ([SMALL["b"], SMALL["a"], SMALL["d"], SMALL["c"]], ["abcd"]),
        # A large file between: two ranges.
        ([SMALL["a"], SMALL["b"], stored("L", 99, 3.5, 3.9), SMALL["c"], SMALL["d"]], ["ab", "cd"]),
        # One that small ones reach over already is no border, and too few are left alone.
        ([stored("a", 1, 0, 7), stored("L", 99, 4, 9), SMALL["d"], stored("M", 99, 8, 9), SMALL["f"]], ["ad"]),
        # What has no bounds comes last.
        ([stored("u", 1, None, None), SMALL["a"], stored("v", 1, None, None)], ["auv"]),
    ],
)
def test_files_are_joined_within_ranges(files, groups):
    rule = CompactionRule(files=2, small_bytes=50, most_bytes=1 << 30)
    assert ["".join(one.path for one in group) for group in small_ranges(files, rule)] == groups


def test_what_is_joined_at_once_has_a_limit(tmp_path, monkeypatch):
    uri = nights(tmp_path, 8)
    rule = CompactionRule(files=3, small_bytes=1 << 20, most_bytes=1)
    size = compact(uri, RULE, dry_run=True).bytes
    # Files that are too much for one process are joined in parts; of these as many as the limit allows, one at least.
    monkeypatch.setattr("uninote.lake.upkeep.compaction._GROUP_BYTES", size * 9 // 16)
    assert compact(uri, replace(rule, most_bytes=1 << 30), dry_run=True) == Compacted(8, 2, size)
    found = compact(uri, rule)
    assert (found.before, found.after) == (4, 1)
    assert len(DeltaTable(uri).file_uris()) == 5
