"""Dense item keys: every new item gets the next free integers, whatever the number of partitions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from uninote.digests import spark_xxhash64
from uninote.pipelines.notes.items import ITEM_KEY

ROWS_PER_BUCKET = 1_000_000  # one task numbers a bucket, and sorts it in memory


def with_new_keys(items: DataFrame, is_new: str, first_key: int, rows: int) -> DataFrame:
    """Give `item_key` first_key, first_key + 1, … where `is_new`, in the order of the note_ids' hashes.

    Ranges of hashes are counted, then numbered within, so that no single task sees all rows. The order depends on ids
    alone: a repeated task gives the same keys, and so does a run that goes on where a killed one stopped. Items of one note
    get keys beside each other. `rows` is about how many are new.
    """
    buckets = max(1, rows // ROWS_PER_BUCKET)
    place = F.xxhash64("note_id")
    # The upper 31 bits, in the order of the signed hash: with its sign flipped it sorts as an unsigned number.
    top = F.shiftrightunsigned(place.bitwiseXOR(F.lit(-(1 << 63))), 33)
    new = items.where(is_new).withColumn("_bucket", F.shiftright(top * buckets, 31))
    starts = F.array(*map(F.lit, _starts(new, buckets, first_key)))
    first = F.element_at(starts, F.col("_bucket").cast("int") + 1)
    position = F.row_number().over(Window.partitionBy("_bucket").orderBy(place, "note_id", *ITEM_KEY))
    numbered = new.withColumn("item_key", first + position - 1).drop("_bucket")
    return items.where(f"NOT ({is_new})").unionByName(numbered)


def _starts(new: DataFrame, buckets: int, first_key: int) -> list[int]:
    """Return the first key of each bucket."""
    if buckets == 1:
        # A small run has one bucket; a query to count it would make the run noticeably longer.
        return [first_key]
    counts = {row["_bucket"]: row["count"] for row in new.groupBy("_bucket").count().collect()}
    sizes = [counts.get(number, 0) for number in range(buckets - 1)]
    return list(accumulate(sizes, initial=first_key))


def give_new_keys(items: Sequence[dict[str, Any]], change: str, first_key: int) -> list[dict[str, Any]]:
    """Return a few items, those of that `change` with the keys that `with_new_keys` would give them."""
    new = [row for row in items if row["change"] == change]
    new.sort(key=lambda row: (spark_xxhash64(row["note_id"]), row["note_id"], *(row[name] for name in ITEM_KEY)))
    numbered = [row | {"item_key": first_key + place} for place, row in enumerate(new)]
    return [row for row in items if row["change"] != change] + numbered
