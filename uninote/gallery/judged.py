"""Pairs of a note and an entry that people judged, as notes that are false matches of a category, and those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uninote.gallery.fitting import LEAST_COUNTED, Fit, interval
from uninote.gallery.histograms import BINS, begin_of
from uninote.gallery.thresholds import ThresholdError

LEAST_JUDGED = 50


@dataclass(frozen=True)
class JudgedNotes:
    """The judged notes of a category, each once: `ids`, `is_false` bool and `weights` float64 (n,).

    A note is false where none of its judged pairs is relevant. It weighs 1 / the probability with which it was drawn.
    """

    ids: tuple[Any, ...]
    is_false: np.ndarray
    weights: np.ndarray


def judged_notes(rows: Iterable[Mapping[str, Any]], category_of: Mapping[str, str]) -> dict[str, JudgedNotes]:
    """Return the judged notes by category.

    Rows have note_id, entry_id, `relevant` and `probability` (null: 1); those of entries that the gallery has no more are
    passed over. Raises ThresholdError where fewer than LEAST_JUDGED pairs are left.
    """
    found: dict[str, dict[Any, tuple[bool, float]]] = {}
    count = 0
    for row in rows:
        category = category_of.get(str(row["entry_id"]))
        if category is None:
            continue
        count += 1
        notes = found.setdefault(category, {})
        is_false, probability = notes.get(row["note_id"], (True, 0.0))
        probability = max(probability, row["probability"] or 1.0)
        notes[row["note_id"]] = (is_false and not row["relevant"], probability)
    if count < LEAST_JUDGED:
        raise ThresholdError(
            f"match.judged has {count:,} judged pairs of entries of this gallery, and a rate takes at least {LEAST_JUDGED}; "
            "judge more notes, or fit to match.volumes"
        )
    return {category: _notes(notes) for category, notes in found.items()}


def _notes(notes: Mapping[Any, tuple[bool, float]]) -> JudgedNotes:
    values = list(notes.values())
    is_false = np.array([false for false, _ in values], bool)
    return JudgedNotes(tuple(notes), is_false, 1 / np.array([probability for _, probability in values]))


def fit_rate(bins: np.ndarray, notes: JudgedNotes, rate: float) -> Fit:
    """Return the least threshold that false matches reach at most at `rate`, by `bins` int (n,), each note's best score.

    A false note counts once, by its best score over the category's entries and over its own items; -1: it has no item of the
    kind. `low` to `high` are the interval of the rate. Weighted notes count as (sum of weights)² / (sum of squares)
    (Kish 1965), and no rate below LEAST_COUNTED of those is told.
    """
    weights = np.where(bins >= 0, notes.weights, 0.0)
    total = float(weights.sum())
    counted = total**2 / float(np.square(weights).sum()) if total else 0.0
    if counted * rate < LEAST_COUNTED:
        least = f"{LEAST_COUNTED / counted:.2g}" if counted else "none"
        return Fit(
            None,
            message=f"a rate of {rate:.2g} false matches a note takes {int(np.ceil(LEAST_COUNTED / rate)):,} judged notes, and "
            f"{counted:,.0f} were counted, by which the least is {least}",
        )
    is_counted = notes.is_false & (bins >= 0)
    by_bin = np.bincount(bins[is_counted], weights[is_counted], minlength=BINS)
    reaching = np.cumsum(by_bin[::-1])[::-1] / total
    enough = np.flatnonzero(reaching <= rate)
    if not len(enough):
        return Fit(None, message=f"more false matches than {rate:.2g} a note have the highest score there is")
    first = int(enough[0])
    low, high = interval(reaching[first] * counted, counted)
    return Fit(begin_of(first), int((bins[is_counted] >= first).sum()), low, high)


def ids_of(judged: Mapping[str, JudgedNotes]) -> Sequence[Any]:
    """Return the ids of all judged notes, each once."""
    return sorted({note for notes in judged.values() for note in notes.ids})
