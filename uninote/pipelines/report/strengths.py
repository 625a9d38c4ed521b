"""What lists would be with a least strength: how many pairs and empty lists it leaves, and how many of them share a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from uninote.evaluation.agreement import Labels
from uninote.pipelines.report.labels import Label
from uninote.report.figures import StrengthCut

STEPS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)

Lists = Mapping[Any, Sequence[tuple[Any, float | None]]]  # note_id -> its neighbours with their strengths, best first


def strength_cuts(lists: Lists, labels: Sequence[Label]) -> tuple[StrengthCut, ...]:
    """Return what each of STEPS leaves of the lists; nothing where no entry has a strength.

    Of a label the share of pairs that have it in common counts, among those of which both notes have any.
    """
    owner = np.repeat(np.arange(len(lists)), [len(entries) for entries in lists.values()])
    strengths = np.array([strength for entries in lists.values() for _, strength in entries], np.float64)
    if np.isnan(strengths).all():
        return ()
    agree = {label.name: _agree(lists, label.labels) for label in labels}
    cuts = []
    for step in STEPS:
        # As in the tables: an entry without a strength stays.
        kept = ~(strengths < step)
        shares = {
            name: float(np.nanmean(found[kept])) for name, found in agree.items() if (~np.isnan(found[kept])).any()
        }
        empty = len(lists) - len(np.unique(owner[kept]))
        cuts.append(StrengthCut(step, float(kept.mean()), empty / len(lists), shares))
    return tuple(cuts)


def _agree(lists: Lists, labels: Labels) -> np.ndarray:
    """Return float64, flat: 1 for a pair that shares a label, 0 for one that does not, NaN where either has none."""
    found = []
    for note, entries in lists.items():
        mine = labels.get(note)
        for other, _ in entries:
            theirs = labels.get(other)
            is_known = mine is not None and theirs is not None
            found.append(float(not mine.isdisjoint(theirs)) if is_known else np.nan)  # type: ignore[union-attr, arg-type]
    return np.array(found)
