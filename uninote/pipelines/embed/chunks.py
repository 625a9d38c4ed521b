"""The work of a run in chunks: how much each holds, and its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from uninote.pipelines.embed import changes


@dataclass
class Census:
    """How many items there are, by (kind, change).

    `reopened`: of these, by kind, those that were set aside and are not any more, or not for the same content. `keys`:
    the range of item_keys that are stored already and will be replaced or removed; null when there is none. `next_key`:
    the first item_key after those given to new items; 0 when there is none. `postponed` items are counted apart.
    """

    items: Counter[tuple[str, str]] = field(default_factory=Counter)
    reopened: Counter[str] = field(default_factory=Counter)
    keys: tuple[int, int] | None = None
    next_key: int = 0
    postponed: int = 0

    def of(self, *chosen: str) -> int:
        """Return the number of items, of any kind, whose change is one of `chosen`."""
        return sum(count for (_, change), count in self.items.items() if change in chosen)

    def notes(self, *chosen: str) -> int:
        """Return the same of notes alone."""
        return sum(self.items["note", change] for change in chosen)

    def add(self, row: Row) -> None:
        """Count one group."""
        if row["change"] == changes.POSTPONED:
            self.postponed += row["items"]
            return
        self.items[row["kind"], row["change"]] += row["items"]
        if row["was_set_aside"] and row["change"] != changes.QUARANTINED:
            self.reopened[row["kind"]] += row["items"]
        if row["low"] is not None:
            low, high = self.keys or (row["low"], row["high"])
            self.keys = min(low, row["low"]), max(high, row["high"])
        if row["change"] == changes.NEW and row["last"] is not None:
            self.next_key = max(self.next_key, row["last"] + 1)


def take_census(found: DataFrame, *by: str) -> dict[int, Census]:
    """Count `found`, for each value of the column `by`; without one, all of it as 0."""
    stored = F.when(F.col("change").isin(changes.EDITED, changes.ATTRIBUTES, changes.DELETED), F.col("item_key"))
    groups = found.groupBy(*by, "kind", "change", "was_set_aside").agg(
        F.count("*").alias("items"),
        F.min(stored).alias("low"),
        F.max(stored).alias("high"),
        F.max("item_key").alias("last"),
    )
    made: dict[int, Census] = {}
    for row in groups.collect():
        made.setdefault(row[by[0]] if by else 0, Census()).add(row)
    return made


def with_chunks(keyed: DataFrame, chunks: int) -> DataFrame:
    """Add `chunk`, 0 to `chunks` - 1, by ranges of item_key that hold about as many items for the model each.

    Ranges, because what is stored lies in their order: each chunk then rewrites files of its own.
    """
    if chunks == 1:
        return keyed.withColumn("chunk", F.lit(0))
    is_work = F.when(F.col("change").isin(*changes.MODEL), F.col("item_key"))
    shares = [number / chunks for number in range(1, chunks)]
    bounds = keyed.agg(F.percentile_approx(is_work, shares, F.lit(100 * chunks))).collect()[0][0]
    return keyed.withColumn("chunk", _position(bounds))


def _position(bounds: Sequence[int]) -> Column:
    is_above = F.filter(F.array([F.lit(bound) for bound in bounds]), lambda bound: bound < F.col("item_key"))
    return F.coalesce(F.size(is_above), F.lit(0))
