"""What a feed says, read without Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake import change_feed
from uninote.lake.change_feed import changed_values

FEED = {"delta.enableChangeDataFeed": "true"}


@pytest.fixture
def uri(tmp_path) -> str:
    """A table of three versions: two ids, one more, and one of them deleted."""
    where = str(tmp_path / "notes")
    write_deltalake(where, pa.table({"id": ["a", "b"], "text": ["1", "2"]}), configuration=FEED)
    write_deltalake(where, pa.table({"id": ["c"], "text": ["3"]}), mode="append")
    DeltaTable(where).delete("id = 'b'")
    return where


def test_changed_values_are_each_named_once_whatever_happened_to_them(uri):
    assert sorted(changed_values(uri, 0, 2, "id").to_pylist()) == ["b", "c"]
    assert changed_values(uri, 1, 2, "id").to_pylist() == ["b"]
    write_deltalake(uri, pa.table({"id": ["b"], "text": ["4"]}), mode="append")
    assert changed_values(uri, 1, 3, "id").to_pylist() == ["b"]


def test_deleting_everything_names_everything(uri):
    DeltaTable(uri).delete()
    assert sorted(changed_values(uri, 2, 3, "id").to_pylist()) == ["a", "c"]


def test_a_feed_that_is_too_large_or_incomplete_says_nothing(uri, monkeypatch):
    last = Path(uri, "_delta_log", "00000000000000000001.json")
    assert changed_values(uri, 2, 9, "id") is None
    text = last.read_text()
    last.unlink()
    assert changed_values(uri, 0, 2, "id") is None
    last.write_text(text)
    monkeypatch.setattr(change_feed, "MOST_BYTES", 10)
    assert changed_values(uri, 0, 2, "id") is None
