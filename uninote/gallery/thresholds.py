"""Thresholds by group and kind of the note's item, and what a score comes to by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uninote.errors import UninoteError
from uninote.gallery.entries import Group
from uninote.gallery.kinds import KINDS

ACT, REVIEW = "act", "review"
ANY = "*"


class ThresholdError(UninoteError):
    """Thresholds cannot be used, or cannot be fitted."""


class Limits(NamedTuple):
    """The least score of a match for `act` and for `review`."""

    act: float
    review: float


class Pair(NamedTuple):
    """What has thresholds of its own: a category, a kind of entries' parts, and one of notes' items."""

    category: str
    entry_kind: str
    note_kind: str


@dataclass(frozen=True)
class Thresholds:
    """Limits by pair; those of the category ANY are for every category without any of its own for this pair of kinds."""

    given: Mapping[Pair, Limits]

    def of(self, pair: Pair) -> Limits | None:
        """Return the limits of a pair, null where there are none."""
        return self.given.get(pair) or self.given.get(pair._replace(category=ANY))

    def of_category(self, category: str) -> list[tuple[str, str, float, float]]:
        """Return (kind of entries, kind of notes, act, review) of all pairs of kinds that have limits, in order."""
        found = []
        for entry_kind in KINDS:
            for note_kind in KINDS:
                limits = self.of(Pair(category, entry_kind, note_kind))
                if limits is not None:
                    found.append((entry_kind, note_kind, *limits))
        return found

    def table(self, groups: Sequence[Group]) -> np.ndarray:
        """Return float64 (groups, kinds of notes, 2): act and review, infinite where a pair has none."""
        found = np.full((len(groups), len(KINDS), 2), np.inf)
        for number, group in enumerate(groups):
            for place, kind in enumerate(KINDS):
                limits = self.of(Pair(group.category, group.kind, kind))
                if limits is not None:
                    found[number, place] = limits
        return found
