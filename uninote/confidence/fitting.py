"""A map fitted to judged pairs, and how good it is on notes that it did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from uninote.confidence.confidence_map import ConfidenceMap, fit_map
from uninote.confidence.features import FEATURES
from uninote.confidence.judged_pairs import JudgedPairs
from uninote.confidence.measures import (
    Bin,
    Kept,
    Measured,
    best_pairs,
    bins_of,
    calibration_error,
    held_out,
    mean_by_note,
    perfect_error,
)
from uninote.errors import UninoteError

LEAST_JUDGMENTS = 50
SCORE = FEATURES.index("score")
RANKS = (1, 5, 10, 20)
KEPT = (0.1, 0.25, 0.5, 0.75)


class FitError(UninoteError):
    """Judgments from which no map can be fitted."""


@dataclass(frozen=True)
class Quality:
    """How good a map is, by fits that each leave out the notes they are measured on; lower is better but for precision.

    `brier` is the map's, `brier_gain_base` what it gains over saying the base rate of all, and `brier_gain_cosine` over a
    logistic curve of the cosine alone. `error` is the expected calibration error, and `perfect_error` what a perfect map would
    show on so many judgments. `precision`: rank -> share of relevant pairs up to there, as far as any were judged.
    `by_confidence` and `by_cosine`: what the best pairs of the table are by either, of each of KEPT.
    """

    pairs: int
    notes: int
    base_rate: Measured
    brier: Measured
    brier_gain_base: Measured
    brier_gain_cosine: Measured
    error: float
    perfect_error: float
    bins: list[Bin]
    precision: dict[int, Measured]
    by_confidence: list[Kept]
    by_cosine: list[Kept]


def check(pairs: JudgedPairs, what: str) -> None:
    """Raise FitError where pairs are too few, of one kind, or of one note; `what` says whose they are."""
    if len(pairs) < LEAST_JUDGMENTS:
        raise FitError(
            f"{what} has {len(pairs):,} judged pairs that are in its lists, and a map takes {LEAST_JUDGMENTS}; judge more with "
            "`uninote judge`"
        )
    if not pairs.has_both:
        said = "relevant" if pairs.shares[0] else "not relevant"
        raise FitError(
            f"all {len(pairs):,} judged pairs of {what} are {said}, and a map takes both kinds; judge pairs of other ranks"
        )
    if pairs.is_of_one_note:
        raise FitError(
            f"all {len(pairs):,} judged pairs of {what} are of one note, and a map is measured on notes that it was not fitted "
            "to; judge pairs of other notes"
        )


def fit(pairs: JudgedPairs) -> ConfidenceMap:
    """Return the map of judged pairs."""
    return fit_map(pairs.features, pairs.shares, pairs.weights)


def measure(pairs: JudgedPairs) -> Quality:
    """Return how good maps of these pairs are."""
    # Fits leave out whole notes, not pairs: pairs of one note are alike, and a map would be measured on what it saw.
    ours = held_out(pairs, _whole)
    said = {"base": held_out(pairs, _base), "cosine": held_out(pairs, _cosine)}
    loss = (ours - pairs.shares) ** 2
    gains = {name: (other - pairs.shares) ** 2 - loss for name, other in said.items()}
    return Quality(
        pairs=len(pairs),
        notes=len(np.unique(pairs.notes)),
        base_rate=_mean(pairs, pairs.shares),
        brier=_mean(pairs, loss),
        brier_gain_base=_mean(pairs, gains["base"]),
        brier_gain_cosine=_mean(pairs, gains["cosine"]),
        error=calibration_error(ours, pairs.shares, pairs.weights),
        perfect_error=perfect_error(ours, pairs.weights),
        bins=bins_of(ours, pairs.shares, pairs.weights),
        precision=precision_at(pairs),
        by_confidence=best_pairs(ours, pairs, KEPT),
        by_cosine=best_pairs(pairs.features[:, SCORE], pairs, KEPT),
    )


def precision_at(pairs: JudgedPairs) -> dict[int, Measured]:
    """Return by rank the share of relevant pairs among those up to it, with intervals, as far down as any were judged."""
    found = {}
    for rank in RANKS:
        inside = np.flatnonzero((pairs.ranks > 0) & (pairs.ranks <= rank))
        if len(inside) and (rank == RANKS[0] or pairs.ranks.max() > RANKS[RANKS.index(rank) - 1]):
            chosen = pairs.take(inside)
            found[rank] = _mean(chosen, chosen.shares)
    return found


def _mean(pairs: JudgedPairs, values: np.ndarray) -> Measured:
    return mean_by_note(values, pairs.weights, pairs.notes)


Said = Callable[[JudgedPairs], np.ndarray]


def _whole(rest: JudgedPairs) -> Said:
    found = fit(rest)
    return lambda pairs: found.of(pairs.features)


def _cosine(rest: JudgedPairs) -> Said:
    found = fit_map(rest.features[:, [SCORE]], rest.shares, rest.weights)
    return lambda pairs: found.of(pairs.features[:, [SCORE]])


def _base(rest: JudgedPairs) -> Said:
    rate = float(np.average(rest.shares, weights=rest.weights))
    return lambda pairs: np.full(len(pairs), rate)
