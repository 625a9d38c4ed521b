"""What a change feed says of items: which changed, and whether they were there before."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake import change_feed
from uninote.pipelines.lake.reading.changed_items import changed_items


def rows(*keys, kind="note", content="new"):
    return pa.table(
        {"item_key": pa.array(keys, pa.int64()), "kind": [kind] * len(keys), "content": [content] * len(keys)}
    )


def upsert(uri, table):
    merge = DeltaTable(uri).merge(table, "old.item_key = new.item_key", source_alias="new", target_alias="old")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()


@pytest.fixture
def items(tmp_path):
    """Version 0 has the notes 1 to 6 and the image 7; then 2 is edited, 8 added, 3 deleted and comes back, 4 is deleted."""
    uri = str(tmp_path / "items")
    first = pa.concat_tables([rows(1, 2, 3, 4, 5, 6), rows(7, kind="image")])
    write_deltalake(uri, first, configuration={"delta.enableChangeDataFeed": "true"})
    upsert(uri, rows(2, 8, content="edited"))
    DeltaTable(uri).delete("item_key IN (3, 4, 7)")
    upsert(uri, rows(3, content="back"))
    DeltaTable(uri).delete("item_key = 8")
    return uri


@pytest.mark.parametrize(
    ("since", "version", "expected"),
    [
        (0, 1, {2: (True, True), 8: (False, True)}),
        (0, 4, {2: (True, True), 3: (True, True), 4: (True, False), 8: (False, False)}),
        (1, 3, {3: (True, True), 4: (True, False)}),
        (2, 3, {3: (False, True)}),
        (3, 4, {8: (True, False)}),
        (4, 4, {}),
    ],
)
def test_changed_notes_which_were_there_before_and_which_are_there_now(items, since, version, expected):
    found = changed_items(items, ["note"], since, version)
    existence = zip(found.existed.tolist(), found.exist.tolist(), strict=True)
    assert dict(zip(found.keys.tolist(), existence, strict=True)) == expected
    assert found.keys.tolist() == sorted(expected)


def test_items_of_other_kinds_are_asked_for_by_name(items):
    found = changed_items(items, ["image"], 0, 4)
    assert (found.keys.tolist(), found.existed.tolist()) == ([7], [True])


def test_a_version_of_before_the_last_run_is_no_change_that_is_known(items):
    assert changed_items(items, ["note"], 4, 3) is None


def test_a_feed_whose_files_were_taken_away_does_not_say(items, tmp_path):
    for path in (tmp_path / "items" / "_change_data").rglob("*.parquet"):
        path.unlink()
    assert changed_items(items, ["note"], 0, 4) is None


def test_a_feed_of_more_rows_than_the_driver_holds_does_not_say(items, monkeypatch):
    monkeypatch.setattr(change_feed, "MOST_CHANGED", 3)
    assert changed_items(items, ["note"], 3, 4) is not None
    assert changed_items(items, ["note"], 0, 4) is None
