"""What the model said of the items it was given: counts and seconds, read from what the tasks stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.media.fetching import UNREACHABLE
from uninote.pipelines.lake import tables

PHASES = ("fetch_s", "decode_s", "tokenise_s", "model_s")


@dataclass
class Outcomes:
    """What the model said of the items it was given: counts by name, the same of notes alone, and seconds by phase.

    `devices`: the items of each kind of device; `moved`: of each that makes other vectors than are known, the mean cosine.
    """

    items: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    devices: Counter[str] = field(default_factory=Counter)
    moved: dict[str, float] = field(default_factory=dict)

    def add(self, other: Outcomes) -> None:
        """Add what was said of other items."""
        self.items += other.items
        self.notes += other.notes
        self.devices += other.devices
        for phase, seconds in other.seconds.items():
            self.seconds[phase] += seconds

    def metrics(self) -> dict[str, float]:
        """Return the seconds by phase, of all threads together, the share of padding in what was computed, and devices."""
        padded = self.items["padded_tokens"]
        devices = {f"items_on {device}": float(items) for device, items in self.devices.items()}
        return {**self.seconds, "padding_share": 1 - self.items["tokens"] / padded if padded else 0.0, **devices}


def outcomes(staged: DataFrame) -> Outcomes:
    """Count what the model said of the items it was given, in one pass over everything but the vectors."""
    counts = {
        "given": F.count("item_key"),
        "embedded": F.count("vector"),
        "unusable": F.count_if(F.col("vector").isNull()),
        "degraded": F.count_if("degraded"),
        "unreachable": F.count_if(F.col("content_hash") == UNREACHABLE),
        "incomplete": F.count_if(F.col("vector").isNull() | (F.col("content_hash") == UNREACHABLE)),
        "rejects": F.sum(F.size("rejects")),
        # Contents, not items: equal ones in a task are computed once.
        "computed": F.count_if(F.col("padded_tokens") > 0),
        "lacking_texts": F.count_if(F.col("vector").isNotNull() & (F.col("tokens_cut") > 0)),
        "lacking_images": F.count_if(F.col("vector").isNotNull() & (F.col("images_left_out") > 0)),
        "tokens": F.sum("tokens"),
        "padded_tokens": F.sum("padded_tokens"),
        "unseen_images": F.sum("unseen_images"),
        "images_opened": F.sum("images_opened"),
    }
    seconds = {name: F.sum(name) for name in PHASES}
    made = tables.named(counts | seconds | {"known_cosine": F.min("known_cosine")})
    got = Outcomes()
    for row in staged.groupBy((F.col("kind") == "note").alias("is_note"), "device").agg(*made).collect():
        if row["known_cosine"] is not None:
            # No items: the device says that it would make others than are known.
            got.moved[row["device"]] = row["known_cosine"]
            continue
        values = Counter({name: row[name] for name in counts})
        got.items.update(values)
        got.notes.update(values if row["is_note"] else {})
        if row["device"] is not None:
            got.devices[row["device"]] += row["given"]
        for name in PHASES:
            got.seconds[name] += row[name]
    return got


def outcomes_of(said: pa.Table) -> Outcomes:
    """Count what the model said of a few items, which this process holds."""
    got = Outcomes()
    has_vector = said["vector"].is_valid().to_pylist()
    for row, is_embedded in zip(said.drop_columns(["vector"]).to_pylist(), has_vector, strict=True):
        values = _counts_of(row, is_embedded)
        got.items.update(values)
        got.notes.update(values if row["kind"] == "note" else {})
        if row["device"] is not None:
            got.devices[row["device"]] += 1
        for name in PHASES:
            got.seconds[name] += row[name]
    return got


def _counts_of(row: dict[str, Any], is_embedded: bool) -> Counter[str]:
    is_unreachable = row["content_hash"] == UNREACHABLE
    return Counter(
        given=1,
        embedded=is_embedded,
        unusable=not is_embedded,
        degraded=bool(row["degraded"]),
        unreachable=is_unreachable,
        incomplete=not is_embedded or is_unreachable,
        rejects=len(row["rejects"]),
        computed=row["padded_tokens"] > 0,
        lacking_texts=is_embedded and row["tokens_cut"] > 0,
        lacking_images=is_embedded and row["images_left_out"] > 0,
        **{name: row[name] for name in ("tokens", "padded_tokens", "unseen_images", "images_opened")},
    )
