"""A match of a note at upload, what can find one, and which of several counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from uninote.gallery.thresholds import ACT

EMBEDDING, BYTES, PDQ = "embedding", "bytes", "pdq"  # what finds a match
_CERTAINTY = {EMBEDDING: 0, PDQ: 1, BYTES: 2}


@dataclass(frozen=True)
class Match:
    """An entry that a note comes near to, by the best of its items, `kind` and `position`, and of the entry's parts.

    `decision` is act or review. `found_by` embedding: `score` is a cosine, and `threshold` that of the decision; bytes: an
    image has those of the entry's, with score 1; pdq: it looks like the entry's, with the share of bits of both hashes that
    are equal. The last two have no threshold.
    """

    entry_id: str
    category: str
    decision: str
    score: float
    threshold: float | None
    entry_kind: str
    kind: str
    position: int
    found_by: str = EMBEDDING


def best_of_entries(found: Iterable[Match]) -> list[Match]:
    """Return the best match of each entry, best first: those that act, then equal bytes, near copies, and cosines by margin."""
    best: dict[str, Match] = {}
    for match in sorted(found, key=_order):
        best[match.entry_id] = match
    return sorted(best.values(), key=_order, reverse=True)


def _order(match: Match) -> tuple[bool, int, float, str]:
    margin = match.score - (match.threshold or 0.0)
    return match.decision == ACT, _CERTAINTY[match.found_by], margin, match.entry_id
