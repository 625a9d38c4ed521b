"""Thresholds fitted to volumes: the score that so many notes a night reach, counted on the notes that there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.gallery.histograms import BINS, begin_of

LEAST_COUNTED = 10  # notes that must reach a threshold before anybody can say how many will
_Z = 1.96


@dataclass(frozen=True)
class Fit:
    """A threshold, null where none can be told: `message` says why. `notes` reach it; `low` to `high` are notes a night."""

    threshold: float | None
    notes: int = 0
    low: float = 0.0
    high: float = 0.0
    message: str | None = None


def fit_volume(counts: np.ndarray, volume: float, notes_per_night: int) -> Fit:
    """Return the least threshold that at most `volume` of `notes_per_night` notes reach, by `counts` int64 (BINS,) of notes.

    A note counts once, by its best score. Volumes below LEAST_COUNTED of the notes counted are not told.
    """
    total = int(counts.sum())
    allowed = volume / notes_per_night * total
    if allowed < LEAST_COUNTED:
        least = LEAST_COUNTED / total * notes_per_night if total else float("inf")
        wanted = int(np.ceil(LEAST_COUNTED * notes_per_night / volume))
        return Fit(
            None,
            message=f"{volume:g} of {notes_per_night:,} notes a night is a rate of {volume / notes_per_night:.2g}, and with "
            f"{total:,} notes counted the least that can be told is {LEAST_COUNTED}/{total:,}, {least:.3g} a night; it "
            f"takes {wanted:,} notes, or a larger volume",
        )
    reaching = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(reaching <= allowed)
    if not len(enough):
        return Fit(
            None, message=f"{int(reaching[BINS - 1]):,} notes have the highest score there is, more than the volume"
        )
    first = int(enough[0])
    notes = int(reaching[first])
    low, high = interval(notes, total)
    return Fit(begin_of(first), notes, low * notes_per_night, high * notes_per_night)


def interval(found: float, total: float) -> tuple[float, float]:
    """Return the 95 % interval of a rate of which `found` of `total` were seen (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    rate = found / total
    scale = 1 + _Z**2 / total
    centre = (rate + _Z**2 / (2 * total)) / scale
    half = _Z * float(np.sqrt(rate * (1 - rate) / total + _Z**2 / (4 * total**2))) / scale
    return max(0.0, centre - half), min(1.0, centre + half)
