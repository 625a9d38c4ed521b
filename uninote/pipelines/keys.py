"""Dense item keys: every new item gets the next free integers, whatever the number of partitions."""

from __future__ import annotations

from itertools import accumulate

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

ROWS_PER_BUCKET = 1_000_000  # one task numbers a bucket, and sorts it in memory


def with_new_keys(items: DataFrame, first_key: int, rows: int) -> DataFrame:
    """Fill the nulls of `item_key` with first_key, first_key + 1, … in an order that depends on item_ids alone.

    Hash buckets are counted, then numbered within, so that no single task sees all rows, and a repeated task gives the
    same keys. `rows` is about how many there are.
    """
    buckets = max(1, rows // ROWS_PER_BUCKET)
    bucket = F.pmod(F.xxhash64("item_id"), F.lit(buckets))
    new = items.where("item_key IS NULL").withColumn("_bucket", bucket)
    counts = {row["_bucket"]: row["count"] for row in new.groupBy("_bucket").count().collect()}
    starts = accumulate((counts.get(number, 0) for number in range(buckets)), initial=first_key)
    first = F.element_at(F.array([F.lit(start) for start in starts]), F.col("_bucket").cast("int") + 1)
    position = F.row_number().over(Window.partitionBy("_bucket").orderBy("item_id"))
    numbered = new.withColumn("item_key", first + position - 1).drop("_bucket")
    return items.where("item_key IS NOT NULL").unionByName(numbered)
