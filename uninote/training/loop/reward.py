"""The ranking reward of stage 2, as the paper prints it, and advantages within a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOISE = 0  # the truth position of a noise note
PENALTY = -5.0  # C_pen [stated]
HIT = 3.0  # R_base for each relevant note [stated]
EPSILON = 1e-6  # ours


def rewards(truth: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return float64 (G,), the reward of each candidate of a group that is ranked by the current embedding, best first.

    `truth[i]` is where the candidate at rank i belongs in the relevant list, from 1, or NOISE. [stated]:
    noise with a relevant note below it: `C_pen (1 + (G - i) / G)`; noise with none below: 0; a relevant one:
    `R_base + R_abs + R_rel`, with `R_base = 3 x number of relevant`, `R_abs = 1 - |i - where| / G`, and R_rel the
    share of the other relevant ones that stand on the right side of it. Ours: ranks count from 1; "relevant" are those
    in the group; R_rel of the only relevant one is 1, as nothing is out of order.
    """
    places = np.asarray(truth, dtype=np.int64)
    relevant = places != NOISE
    ranks = np.arange(1, len(places) + 1)
    size = len(places)
    # Summed from the last rank up: how many relevant notes stand at this rank or lower, and noise is none itself.
    below = np.cumsum(relevant[::-1])[::-1] > 0
    penalty = np.where(below, PENALTY * (1 + (size - ranks) / size), 0.0)
    base = HIT * relevant.sum()
    absolute = 1 - np.abs(ranks - places) / size
    return np.where(relevant, base + absolute + _relative(places, relevant), penalty)


def advantages(values: np.ndarray) -> np.ndarray:
    """Return `(r - mean) / (std + eps)` within one group [stated]; the population std is our choice."""
    centred: np.ndarray = (values - values.mean()) / (values.std() + EPSILON)
    return centred


def _relative(places: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    ranks = np.arange(len(places))
    # Each pair of relevant notes in both orders: on the right side where ranks and places differ in the same direction.
    both = relevant[:, None] & relevant[None] & ~np.eye(len(places), dtype=bool)
    right = both & (np.sign(ranks[:, None] - ranks[None]) == np.sign(places[:, None] - places[None]))
    others = both.sum(axis=1)
    return np.where(others > 0, right.sum(axis=1) / np.maximum(others, 1), 1.0)
