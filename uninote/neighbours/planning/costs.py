"""What an update and a full join would take, by the seconds that the ledger has of the last of either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FULL_SHARE = 0.2  # of changed notes, above which an update is taken to cost more than a full join
MOST_ROWS = 200_000_000  # a task of an update holds a float32 limit for each list: 800 MB at this many, for each table
JOIN_S = "join_s"  # metrics of the ledger: seconds of joining all notes,
PASS_S = "update_pass_s"  # of an update's passes over all lists, and
SEARCH_S = "update_search_s"  # of finding what its changed notes change
ESTIMATES = ("estimated_join_s", "estimated_update_s")
# The runs that are looked back on: an update that was dear by chance is tried again when it is older than these.
_RUNS = 10
# What a changed row takes over a row of a full join: the kernel takes 5 to 9 % of a full join for the 1 % that changed, and
# is half of what a full join does.
CHANGED_ROW = 5.0

Entry = Mapping[str, Any]  # of the ledger


@dataclass(frozen=True)
class Costs:
    """Seconds that joining all notes would take, and an update of their lists."""

    join_s: float
    update_s: float

    def __str__(self) -> str:
        """Return them for a line of the log."""
        return f"by the last runs an update takes {self.update_s:.1f} s, joining all {self.join_s:.1f} s"

    def metrics(self) -> dict[str, float]:
        """Return them under the names that the ledger has."""
        return dict(zip(ESTIMATES, (self.join_s, self.update_s), strict=True))


def estimate_costs(entries: Sequence[Entry], settings: str, rows: int, changed: int) -> Costs | None:
    """Return what either way would take for `rows` notes, so many of them `changed`; null where the ledger does not know both.

    `entries` are those of finished runs, newest first; of other `settings` than these none counts. Of several runs the
    cheapest counts: other work on a machine only adds seconds.
    """
    joins = []
    updates = []
    for entry in entries[:_RUNS]:
        if entry["fingerprint"] != settings:
            continue
        if JOIN_S in entry["metrics"]:
            joins.append(entry["metrics"][JOIN_S] / max(1, entry["counts"]["notes"]))
        if PASS_S in entry["metrics"]:
            updates.append(entry)
    if not joins or not updates:
        return None
    join_s = min(joins) * rows
    return Costs(join_s, min(_update_seconds(entry, rows, changed, min(joins)) for entry in updates))


def _update_seconds(update: Entry, rows: int, changed: int, row_s: float) -> float:
    """Return what another update would take, by an earlier one; `row_s` is what a row of a full join takes."""
    counts: Mapping[str, int] = update["counts"]
    passes = update["metrics"][PASS_S] * rows / max(1, counts["notes"])
    # Starting tasks and opening cells are a part of it, whose size one run does not tell: it is not taken off.
    more = max(0, changed - counts["changed"])
    return float(passes + update["metrics"][SEARCH_S] + more * CHANGED_ROW * row_s)
