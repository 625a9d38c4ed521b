"""The work of a run in chunks: how much each holds, and its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from uninote.pipelines.embed.steps import changes
from uninote.pipelines.lake.tables import named


@dataclass
class Census:
    """How many items there are, by (kind, change).

    `reopened`: of these, by kind, those that were set aside and are not any more, or not for the same content. `keys`:
    the range of item_keys that are stored already and will be replaced or removed; null when there is none. `next_key`:
    the first item_key after those given to new items; 0 when there is none. `postponed` items are counted apart. `reasons`: why
    items are computed, of all items of a run alone. `files`: of
    how many notes files of images are to be recorded, `recorded` of them not for the first time.
    """

    items: Counter[tuple[str, str]] = field(default_factory=Counter)
    reopened: Counter[str] = field(default_factory=Counter)
    keys: tuple[int, int] | None = None
    next_key: int = 0
    postponed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    files: int = 0
    recorded: int = 0
    opened: int = 0

    def of(self, *chosen: str) -> int:
        """Return the number of items, of any kind, whose change is one of `chosen`."""
        total = 0
        for (_, change), count in self.items.items():
            if change in chosen:
                total += count
        return total

    def notes(self, *chosen: str) -> int:
        """Return the same of notes alone."""
        return sum(self.items["note", change] for change in chosen)

    def add(self, row: Row | Mapping[str, Any]) -> None:
        """Count one group."""
        if row["change"] in changes.SETTLED:
            # It is among the rows for its files alone.
            return
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


def take_census(found: DataFrame, by: str) -> dict[int, Census]:
    """Count `found`, for each value of the column `by`."""
    made: dict[int, Census] = {}
    for row in _groups(found, [by], {}).collect():
        made.setdefault(row[by], Census()).add(row)
    return made


def _groups(found: DataFrame, by: Sequence[str], further: Mapping[str, Column]) -> DataFrame:
    stored = F.when(F.col("change").isin(changes.EDITED, changes.ATTRIBUTES, changes.DELETED), F.col("item_key"))
    counts = {"items": F.count("*"), "low": F.min(stored), "high": F.max(stored), "last": F.max("item_key")}
    return found.groupBy(*by, "kind", "change", "was_set_aside").agg(*named({**counts, **further}))


def take_first_census(looked: DataFrame) -> Census:
    """Count all that a run found: what there is to do, and the files that were looked at."""
    census = Census()
    files = {
        "files": F.count("files"),
        "recorded": F.count_if(F.col("files").isNotNull() & F.col("recorded")),
        "opened": F.coalesce(F.sum("opened"), F.lit(0)),
    }
    for row in _groups(looked, ["reason"], files).collect():
        census.add(row)
        if row["reason"] is not None:
            census.reasons[row["reason"]] += row["items"]
        census.files += row["files"]
        census.recorded += row["recorded"]
        census.opened += row["opened"]
    return census


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
    is_above = F.filter(F.array(*map(F.lit, bounds)), lambda bound: bound < F.col("item_key"))
    return F.coalesce(F.size(is_above), F.lit(0))
