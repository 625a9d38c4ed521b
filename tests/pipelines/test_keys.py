"""Item keys: dense, unique, never depending on partitions."""

from __future__ import annotations

import pytest

from uninote.pipelines.embed import keys

pytestmark = pytest.mark.spark

NEW = "item_key IS NULL"


def items(spark, new, old=()):
    rows = [(f"n{number}", f"n{number}", "note", None) for number in new]
    rows += [(name, name, "note", key) for name, key in old]
    return spark.createDataFrame(rows, "note_id string, item_id string, kind string, item_key bigint")


@pytest.mark.parametrize("rows_per_bucket", [1_000_000, 7])
def test_new_items_get_the_next_free_integers_and_old_ones_keep_theirs(spark, monkeypatch, rows_per_bucket):
    monkeypatch.setattr(keys, "ROWS_PER_BUCKET", rows_per_bucket)
    keyed = keys.with_new_keys(items(spark, range(50), [("old", 3)]), NEW, 100, 50).collect()
    assert {row["item_key"] for row in keyed if row["item_id"] != "old"} == set(range(100, 150))
    assert [row["item_key"] for row in keyed if row["item_id"] == "old"] == [3]


def test_keys_do_not_depend_on_partitions(spark):
    one, many = (
        {
            row["item_id"]: row["item_key"]
            for row in keys.with_new_keys(items(spark, range(40)).repartition(n), NEW, 0, 40).collect()
        }
        for n in (1, 5)
    )
    assert one == many
