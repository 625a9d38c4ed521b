"""Pairs that were judged: what their judges said together, how much each counts, and what lists say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uninote.lake.rows_by_id import NoteId

Pair = tuple[NoteId, NoteId]

MOST_WEIGHT = 10.0  # times the median: rarer pairs do not count for more, or a handful would decide everything


@dataclass(frozen=True)
class JudgedPairs:
    """n pairs: `notes` int64 (n,), a number for each first note; `features` float64 (n, 4), in the order of FEATURES.

    `shares` float64 (n,) are how many of a pair's judges said yes, 0 to 1, and `ranks` int64 (n,) its places in the list,
    from 1. `weights` float64 (n,), their mean 1, are 1 / the probability with which a pair was drawn, bounded by MOST_WEIGHT
    medians.
    """

    notes: np.ndarray
    features: np.ndarray
    shares: np.ndarray
    weights: np.ndarray
    ranks: np.ndarray

    def __len__(self) -> int:
        return len(self.shares)

    @property
    def has_both(self) -> bool:
        """Say whether there is any yes and any no among the answers."""
        return bool((self.shares > 0).any() and (self.shares < 1).any())

    @property
    def is_of_one_note(self) -> bool:
        """Say whether all pairs begin with one note, so that no fit can leave out the notes that it is measured on."""
        return len(np.unique(self.notes)) == 1

    def take(self, places: np.ndarray) -> JudgedPairs:
        """Return some of them."""
        return JudgedPairs(
            self.notes[places], self.features[places], self.shares[places], self.weights[places], self.ranks[places]
        )


def weights_of(probabilities: np.ndarray) -> np.ndarray:
    """Return float64 (n,) of the probabilities, float64 (n,), with which pairs were drawn: their mean is 1."""
    if not len(probabilities):
        return np.empty(0)
    inverse = 1 / probabilities
    bounded = np.minimum(inverse, MOST_WEIGHT * np.median(inverse))
    return np.asarray(bounded / bounded.mean())


@dataclass(frozen=True)
class Answers:
    """What was said of each pair (a, b), once: the `shares` of yes, and the mean `probabilities` of being drawn (n,).

    `ranks` int64 (n,) are the places, from 1, where the last judges saw the pairs; 0 where none said.
    """

    pairs: list[Pair]
    shares: np.ndarray
    probabilities: np.ndarray
    ranks: np.ndarray


def answers_of(rows: Sequence[Mapping[str, Any]]) -> Answers:
    """Return the answers of rows of judgments: of judges who contradict each other the share of yes.

    A pair that nobody drew counts as one that was sure to be drawn.
    """
    found: dict[Pair, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["a"], row["b"]), []).append(row)
    shares, drawn, ranks = [], [], []
    for said in found.values():
        shares.append(np.mean([row["relevant"] for row in said]))
        drawn.append(np.mean([row["probability"] or 1.0 for row in said]))
        ranks.append([0, *(row["rank"] for row in said if row["rank"])][-1])
    return Answers([*found], np.array(shares), np.array(drawn), np.array(ranks, np.int64))
