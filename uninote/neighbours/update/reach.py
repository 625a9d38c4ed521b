"""How far to look for leaves: what a sample of rows, joined with others, says of the leaves that its pairs lie in."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.simd.vector_ir import compiled

# Of bringing a row to where it is scored, in pairs scored.
_GATHER_COST = 80
# By so much int8 codes may tell equal distances apart.
_SLACK = np.float32(0.002)
_COST_STEP = 4  # one in so many of the sample shows the cost
_NEVER = np.float32(np.inf)


class Plan(NamedTuple):
    """Look into the leaves of all pivots whose half squared distance exceeds the nearest one's by less than `margin`,
    in the first `assignments`, for the rows that are there by their first `slots`; at a `cost` in pairs scored."""

    assignments: int
    slots: int
    margin: float
    cost: float


class Sample(NamedTuple):
    """`vectors` float32 (s, width) and, for each direction, the pairs that they should find: int64 (2, p), the place in
    the sample and the row among those in leaves."""

    vectors: np.ndarray
    pairs: Sequence[np.ndarray]


def cheapest_plan(assignments: Sequence[Assignment], sample: Sample, recall: float, looking: int) -> Plan | None:
    """Return the cheapest plan for `looking` rows by which `recall` of the sample's pairs, either way, are found.

    None where there is none that costs less than half of scoring all pairs.
    """
    most = looking * len(assignments[0].leaves) / 2 if assignments else 0.0
    cheapest = min(_plans(assignments, sample, recall, looking), key=lambda plan: plan.cost, default=None)
    return cheapest if cheapest is not None and cheapest.cost < most else None


def _plans(assignments: Sequence[Assignment], sample: Sample, recall: float, looking: int) -> Iterator[Plan]:
    """Yield the plan with the least margin for each number of assignments and slots, where one finds enough."""
    fan = min((assignment.leaves.shape[1] for assignment in assignments), default=0)
    # By how much further than the nearest pivot one must look to find each pair: less with each assignment and slot.
    gaps = [np.full((fan, pairs.shape[1]), _NEVER) for pairs in sample.pairs]
    # Rows that are brought to where they are scored, by number of slots.
    gathered = np.zeros(fan)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    for count, assignment in enumerate(assignments, 1):
        behind = _behind(sample.vectors, assignment.pivots)
        for best, pairs in zip(gaps, sample.pairs, strict=True):
            np.minimum(best, _gaps_of(behind, pairs, assignment.leaves[:, :fan]), out=best)
        sizes = np.cumsum(_leaf_sizes(assignment.leaves, len(assignment.pivots)), axis=0)[:fan]
        gathered += sizes.sum(axis=1)
        seen.append((behind[::_COST_STEP], sizes.astype(np.float32)))
        for slot in range(fan):
            margin = _least_margin([best[slot] for best in gaps], sample, recall) + _SLACK
            if margin < _NEVER:
                cost = _GATHER_COST * gathered[slot] + looking * _rows_met(seen, slot, margin)
                yield Plan(count, slot + 1, float(margin), cost)


def _rows_met(seen: Sequence[tuple[np.ndarray, np.ndarray]], slot: int, margin: np.float32) -> float:
    """Return with how many rows a row of the sample is scored, on average, in the leaves that are near enough.

    `seen` has for each assignment what `_behind` returns, and the rows of each leaf by their first slots, float32.
    """
    total = 0.0
    for behind, sizes in seen:
        total += float(((behind < margin).astype(np.float32) @ sizes[slot]).mean())
    return total


def _behind(vectors: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """Return float32 (s, l): by how much each pivot's half squared distance exceeds the nearest one's."""
    scores = vectors @ pivots.T
    scores -= (pivots**2).sum(axis=1) / 2
    behind: np.ndarray = scores.max(axis=1, keepdims=True) - scores
    return behind


@compiled
def _gaps_of(behind: np.ndarray, pairs: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Return float32 (fan, p): how far behind is the pivot that finds the pair by its row's first slots."""
    gaps = np.full((leaves.shape[1], pairs.shape[1]), _NEVER)
    for pair in range(pairs.shape[1]):
        least = _NEVER
        for slot in range(leaves.shape[1]):
            leaf = leaves[pairs[1, pair], slot]
            if leaf >= 0:
                least = min(least, behind[pairs[0, pair], leaf])
            gaps[slot, pair] = least
    return gaps


@compiled
def _leaf_sizes(leaves: np.ndarray, pivots: int) -> np.ndarray:
    """Return int64 (fan, pivots): how many rows have each pivot in each slot."""
    sizes = np.zeros((leaves.shape[1], pivots), dtype=np.int64)
    for row in range(leaves.shape[0]):
        for slot in range(leaves.shape[1]):
            if leaves[row, slot] >= 0:
                sizes[slot, leaves[row, slot]] += 1
    return sizes


def _least_margin(gaps: Sequence[np.ndarray], sample: Sample, recall: float) -> np.float32:
    """Return the least gap such that pairs with no greater one are enough, either way; infinity where none is."""

    def enough(margin: np.float32) -> bool:
        return all(_share(gap <= margin, pairs[0]) >= recall for gap, pairs in zip(gaps, sample.pairs, strict=True))

    # Only a gap can be the least margin; more of them are enough the wider it is, so that halving finds it.
    margins = np.unique(np.concatenate([*gaps, np.zeros(1, np.float32)]))
    margins = margins[margins < _NEVER]
    place = bisect_left(margins, True, key=enough)
    return margins[place] if place < len(margins) else _NEVER


def _share(found: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of pairs found, bool (p,), the mean of that of each row, less two standard errors."""
    wanted = np.bincount(rows)
    reached = np.bincount(rows, found)
    shares = reached[wanted > 0] / wanted[wanted > 0]
    if not len(shares):
        return 1.0
    return float(shares.mean() - 2 * shares.std() / math.sqrt(len(shares)))
