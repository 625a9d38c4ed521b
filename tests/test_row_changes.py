"""Rows changed in a Delta table without Spark: the table, its change feed and its log, against a dictionary."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from uninote.errors import UninoteError
from uninote.lake.commits import CommitConflictError, commit
from uninote.lake.parquet_files import DamagedFileError
from uninote.lake.rewriting import can_apply
from uninote.lake.row_changes import RowChanges

FEED = {"delta.enableChangeDataFeed": "true"}
SCHEMA = pa.schema([("k", pa.int64()), ("v", pa.string()), ("numbers", pa.list_(pa.float32()))])


def rows(content):
    """Return a table of k -> v, with a list that belongs to each v."""
    return pa.Table.from_pylist([{"k": k, "v": v, "numbers": numbers(v)} for k, v in content.items()], SCHEMA)


def numbers(value):
    return None if value is None else [float(len(value)), 0.5]


def changes(upserts, deletes=()):
    table = rows(upserts | dict.fromkeys(deletes))
    return table.append_column("_deleted", pa.array([k in deletes for k in table["k"].to_pylist()], pa.bool_()))


def make(path, *parts):
    """Make a table of one file for each of `parts`."""
    for part in parts:
        write_deltalake(path, rows(part), mode="append", configuration=FEED)
    return str(path)


def content(uri):
    found = {}
    for row in DeltaTable(uri).to_pyarrow_table().to_pylist():
        assert row["numbers"] == numbers(row["v"])
        assert row["k"] not in found
        found[row["k"]] = row["v"]
    return found


def feed(uri, version):
    read = pa.table(DeltaTable(uri).load_cdf(version, version)).select(["_change_type", "k", "v"])
    return sorted(tuple(row.values()) for row in read.to_pylist())


def test_rows_are_updated_removed_and_inserted_in_one_version_whose_feed_names_them_alone(tmp_path):
    uri = make(tmp_path / "t", {1: "a", 2: "b", 3: "c"}, {10: "x", 11: "y"})
    assert RowChanges(uri, changes({2: "B", 7: "new"}, [3, 99]), ["k"]).apply() == 2
    assert content(uri) == {1: "a", 2: "B", 7: "new", 10: "x", 11: "y"}
    assert feed(uri, 2) == [
        ("delete", 3, "c"),
        ("insert", 7, "new"),
        ("update_postimage", 2, "B"),
        ("update_preimage", 2, "b"),
    ]


def test_columns_that_stay_the_same_keep_their_values_beside_one_that_changes(tmp_path):
    uri = make(tmp_path / "t", {1: "a", 2: None, 3: "cc", 4: "d"})
    longer = [{"k": k, "v": v, "numbers": [float(k)]} for k, v in ((4, "d"), (2, None))]
    upserts = pa.Table.from_pylist(longer, SCHEMA).append_column("_deleted", pa.array([False, False]))
    marked = pa.concat_tables([upserts, changes({}, [1])])
    RowChanges(uri, marked, ["k"]).apply()
    found = DeltaTable(uri).to_pyarrow_table().to_pylist()
    assert [tuple(row.values()) for row in found] == [(2, None, [2.0]), (3, "cc", [2.0, 0.5]), (4, "d", [4.0])]


def test_files_without_a_changed_row_stay(tmp_path):
    uri = make(tmp_path / "t", {1: "a", 5: "b"}, {2: "c", 4: "d"}, {10: "x"})
    before = set(DeltaTable(uri).file_uris())
    RowChanges(uri, changes({5: "B"}), ["k"]).apply()
    assert len(before - set(DeltaTable(uri).file_uris())) == 1


def test_changes_that_change_nothing_make_no_version(tmp_path):
    uri = make(tmp_path / "t", {1: "a"})
    assert RowChanges(uri, changes({}, [7]), ["k"]).apply() == 0
    assert RowChanges(uri, changes({}), ["k"]).apply() == 0
    assert DeltaTable(uri).version() == 0


def test_a_file_of_which_nothing_is_left_goes(tmp_path):
    uri = make(tmp_path / "t", {1: "a"}, {2: "b"})
    RowChanges(uri, changes({}, [1]), ["k"]).apply()
    assert content(uri) == {2: "b"}
    assert len(DeltaTable(uri).file_uris()) == 1


def test_readers_that_skip_files_by_their_bounds_find_every_row(tmp_path):
    long = {k: f"{'x' * 40}{k:02d}" for k in range(20)}
    uri = make(tmp_path / "t", long, {30: None, 31: "y" * 50})
    RowChanges(uri, changes({3: "x" * 99, 40: "z\U0010ffff", 41: "中文" * 30}), ["k"]).apply()
    dataset = DeltaTable(uri).to_pyarrow_dataset()
    for row in dataset.to_table().to_pylist():
        wanted = (pc.field("v") == row["v"]) if row["v"] is not None else pc.field("v").is_null()
        assert row["k"] in dataset.to_table(filter=wanted & (pc.field("k") == row["k"]))["k"].to_pylist()


def test_readers_that_skip_files_by_times_find_every_row(tmp_path):
    uri = str(tmp_path / "t")
    schema = pa.schema([("k", pa.int64()), ("at", pa.timestamp("us", "UTC"))])
    write_deltalake(uri, pa.Table.from_pylist([{"k": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}], schema))
    assert can_apply(uri)
    times = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 5, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        None,
    ]
    for k, at in enumerate(times, 2):  # a file each
        row = pa.Table.from_pylist(
            [{"k": k, "at": at, "_deleted": False}], schema.append(pa.field("_deleted", pa.bool_()))
        )
        RowChanges(uri, row, ["k"]).apply()
    dataset = DeltaTable(uri).to_pyarrow_dataset()
    for k, at in enumerate(times, 2):
        wanted = pc.field("at").is_null() if at is None else pc.field("at") == pa.scalar(at, schema.field("at").type)
        assert dataset.to_table(filter=wanted)["k"].to_pylist() == [k]


def test_many_small_files_become_one_again(tmp_path):
    uri = make(tmp_path / "t", {0: "a"})
    for k in range(1, 40):
        RowChanges(uri, changes({k: "b"}), ["k"]).apply()
        assert feed(uri, k) == [("insert", k, "b")]
    assert content(uri) == {0: "a"} | dict.fromkeys(range(1, 40), "b")
    assert len(DeltaTable(uri).file_uris()) <= 17


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    uri = make(tmp_path / "t", {1: "a"})
    twice = pa.concat_tables([changes({2: "b"}), changes({2: "c"})])
    with pytest.raises(UninoteError, match=r"2 changed rows of .* have 1 keys \(k\)"):
        RowChanges(uri, twice, ["k"])


def test_rows_are_found_by_all_columns_of_a_key(tmp_path):
    schema = pa.schema([("item", pa.string()), ("kind", pa.string()), ("v", pa.int64())])
    uri = str(tmp_path / "t")
    write_deltalake(uri, pa.Table.from_pylist([{"item": "a", "kind": kind, "v": 0} for kind in "xy"], schema))
    changed = pa.Table.from_pylist([{"item": "a", "kind": "y", "v": 1, "_deleted": False}])
    RowChanges(uri, changed, ["item", "kind"]).apply()
    assert sorted(DeltaTable(uri).to_pyarrow_table()["v"].to_pylist()) == [0, 1]


def test_a_file_from_before_a_column_was_added_has_null_there(tmp_path):
    uri = str(tmp_path / "t")
    write_deltalake(uri, rows({1: "a", 2: "b"}).select(["k", "v"]))
    DeltaTable(uri).alter.add_columns(list(DeltaTable(make(tmp_path / "o", {1: "a"})).schema().fields)[2:])
    RowChanges(uri, changes({2: "cc"}), ["k"]).apply()
    found = DeltaTable(uri).to_pyarrow_table().sort_by("k").to_pylist()
    assert found == [{"k": 1, "v": "a", "numbers": None}, {"k": 2, "v": "cc", "numbers": [2.0, 0.5]}]


def test_flipped_bytes_of_a_file_that_is_written_again_are_an_error_and_no_version(tmp_path):
    uri = make(tmp_path / "t", {1: "a"})
    RowChanges(uri, changes({k: str(k) * 50 for k in range(100)}), ["k"]).apply()
    path = max(Path(uri).glob("*.parquet"), key=lambda file: file.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 255
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="is not as it was written"):
        RowChanges(uri, changes({50: "other"}), ["k"]).apply()
    assert DeltaTable(uri).version() == 1


def test_a_version_that_somebody_else_wrote_is_not_written_again(tmp_path):
    uri = make(tmp_path / "t", {1: "a"})
    late = RowChanges(uri, changes({1: "late"}), ["k"])
    RowChanges(uri, changes({1: "first"}), ["k"]).apply()
    with pytest.raises(
        CommitConflictError, match=r"00000000000000000001\.json exists already: another run writes to this lake"
    ):
        late.apply()
    assert content(uri) == {1: "first"}
    assert not [path for path in Path(uri, "_delta_log").iterdir() if path.name.endswith(".tmp")]


def test_the_log_is_summed_up_at_every_tenth_version(tmp_path):
    uri = make(tmp_path / "t", {0: "a"})
    for k in range(1, 11):
        RowChanges(uri, changes({k: "b"}), ["k"]).apply()
    assert json.loads(Path(uri, "_delta_log/_last_checkpoint").read_text())["version"] == 10


@pytest.mark.parametrize(
    "setting",
    [
        {"delta.enableDeletionVectors": "true"},
        {"delta.appendOnly": "true"},
        {"delta.columnMapping.mode": "name"},
        {"delta.constraints.positive": "k > 0"},
    ],
)
def test_tables_that_ask_more_of_their_writers_are_left_to_spark(tmp_path, setting):
    uri = make(tmp_path / "t", {1: "a"})
    assert can_apply(uri)
    log = Path(uri, "_delta_log/00000000000000000000.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    (metadata,) = (action["metaData"] for action in actions if "metaData" in action)
    metadata["configuration"] |= setting
    commit(uri, 0, [{"metaData": metadata}], "SET TBLPROPERTIES")
    assert not can_apply(uri)


def test_a_partitioned_table_is_left_to_spark(tmp_path):
    write_deltalake(str(tmp_path / "t"), rows({1: "a"}), partition_by=["v"])
    assert not can_apply(str(tmp_path / "t"))


KEYS = st.integers(0, 12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.dictionaries(KEYS, st.text(max_size=3), max_size=5), st.sets(KEYS, max_size=3)), max_size=6)
)
def test_any_row_of_commits_leaves_what_a_dictionary_has(tmp_path_factory, commits):
    uri = make(tmp_path_factory.mktemp("t"), {0: "a", 3: "b", 6: "c"}, {1: "d", 12: "e"})
    wanted = content(uri)
    for upserts, deletes in commits:
        removed = deletes - upserts.keys()
        before, version = dict(wanted), DeltaTable(uri).version()
        wanted = {k: v for k, v in (wanted | upserts).items() if k not in removed}
        now = RowChanges(uri, changes(upserts, sorted(removed)), ["k"]).apply()
        assert content(uri) == wanted
        if now > version:
            assert replayed(before, feed(uri, now)) == wanted


def replayed(before, named):
    """Return what the feed makes of the rows before."""
    after = dict(before)
    for change, k, v in named:
        if change in ("delete", "update_preimage"):
            assert before[k] == v
        if change == "delete":
            del after[k]
    return after | {k: v for change, k, v in named if change in ("insert", "update_postimage")}
