"""Thresholds as a lake stores them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from uninote.gallery.thresholds import Limits, Pair, Thresholds
from uninote.lake.small_tables import read_batches

_COLUMNS = ("category", "entry_kind", "note_kind", "given", "act", "review")


def thresholds_of(uri: str, version: int | None) -> Thresholds:
    """Return the thresholds of a version of the table `match_thresholds` at `uri`."""
    rows = [row for batch in read_batches(uri, _COLUMNS, version) for row in batch.to_pylist()]
    return in_force(rows)


def in_force(rows: Iterable[Mapping[str, Any]]) -> Thresholds:
    """Return the thresholds of rows of that table: those that were given go before those that were fitted."""
    found = {}
    for row in sorted(rows, key=lambda one: bool(one["given"])):
        if row["review"] is not None:
            pair = Pair(row["category"], row["entry_kind"], row["note_kind"])
            # The volume to act on may be too small for the notes that there are to count.
            found[pair] = Limits(math.inf if row["act"] is None else row["act"], row["review"])
    return Thresholds(found)
