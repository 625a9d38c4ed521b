"""What became of a branch since the last release, by effect size.

The size of an effect is the logarithm, to base 2, of how many times its share of all notes a branch has now: 1 is twice the
share, -1 half of it. A p-value would say how sure a change is, which of millions of notes it nearly always is, and not how
large. So that a branch of three notes does not seem to grow by two more, PRIOR notes are added to both counts first, and a
branch of fewer than FEWEST_NOTES notes at both times is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

FEWEST_NOTES = 10
PRIOR = 5
LEAST_EFFECT = log2(1.5)

NEW = "new"
GROWING = "growing"
SHRINKING = "shrinking"
VANISHED = "vanished"
STEADY = ""


@dataclass(frozen=True)
class Totals:
    """How many notes have a code, now and in the last release."""

    now: int
    before: int


@dataclass(frozen=True)
class Change:
    """A branch's `state` (one of the constants above), its `notes_before`, and the effect: log2 of the ratio of its shares."""

    state: str
    notes_before: int
    effect: float


def change_of(now: int, before: int, totals: Totals) -> Change | None:
    """Return what became of a branch with `now` notes and once `before`; null where there is nothing to compare with."""
    if not totals.now or not totals.before:
        return None
    effect = log2(_share(now, totals.now, totals) / _share(before, totals.before, totals))
    return Change(_state(now, before, effect), before, effect)


def _share(notes: int, total: int, totals: Totals) -> float:
    """Return a share of all notes with PRIOR notes added, at both times as many in proportion: equal shares stay equal."""
    return notes / total + PRIOR / ((totals.now + totals.before) / 2)


def _state(now: int, before: int, effect: float) -> str:
    if max(now, before) < FEWEST_NOTES or abs(effect) < LEAST_EFFECT:
        return STEADY
    if before == 0:
        return NEW
    if now == 0:
        return VANISHED
    return GROWING if effect > 0 else SHRINKING
