"""How many leaves to look into: what a sample of rows, joined with others, says of the leaves that its pairs lie in."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from uninote.neighbours.partitions import Partition
from uninote.neighbours.settings import MOST_FAN
from uninote.neighbours.vector_ir import compiled

_SEAT_COST = 50  # of bringing a row to where it is scored, in pairs scored
_NEVER = np.int32(2**31 - 1)


class Plan(NamedTuple):
    """Look into the leaves of a row's so many nearest `leaders`, in the first `partitions`, for the rows that are there
    by their first `slots` leaves; at a `cost` counted in pairs scored."""

    partitions: int
    slots: int
    leaders: int
    cost: float


class Sample(NamedTuple):
    """`vectors` float32 (s, width) and, for each direction, the pairs that they should find: int64 (2, p), the place in
    the sample and the row among those in leaves."""

    vectors: np.ndarray
    pairs: Sequence[np.ndarray]


def cheapest_plan(partitions: Sequence[Partition], sample: Sample, recall: float, looking: int) -> Plan | None:
    """Return the cheapest plan for `looking` rows by which `recall` of the sample's pairs, either way, are found.

    None where there is none that costs less than half of scoring all pairs.
    """
    most = looking * len(partitions[0].leaves) / 2 if partitions else 0.0
    plans = (plan for plan in _plans(partitions, sample, recall, looking) if plan.cost < most)
    return min(plans, key=lambda plan: plan.cost, default=None)


def _plans(partitions: Sequence[Partition], sample: Sample, recall: float, looking: int) -> Iterator[Plan]:
    """Yield the plan with the fewest leaders for each number of partitions and slots, where one finds enough."""
    fan = min((partition.leaves.shape[1] for partition in partitions), default=0)
    ranks = [np.full((fan, pairs.shape[1]), _NEVER) for pairs in sample.pairs]
    each, once = np.zeros(fan), np.zeros(fan)
    for count, partition in enumerate(partitions, 1):
        scores = sample.vectors @ partition.leaders.T
        scores -= (partition.leaders**2).sum(axis=1) / 2  # they order as the distances do
        for best, pairs in zip(ranks, sample.pairs, strict=True):
            np.minimum(best, _ranks_of(scores, pairs, partition.leaves[:, :fan]), out=best)
        sizes = np.cumsum(_leaf_sizes(partition.leaves, len(partition.leaders)), axis=0)[:fan]
        once += sizes.sum(axis=1)
        each += (sizes**2).sum(axis=1) / np.maximum(sizes.sum(axis=1), 1)  # large leaves are looked into more often
        for slot in range(fan):
            leaders = _fewest_leaders([best[slot] for best in ranks], sample, recall, len(partition.leaders))
            if leaders:
                yield Plan(count, slot + 1, leaders, _SEAT_COST * once[slot] + looking * leaders * each[slot])


@compiled
def _ranks_of(scores: np.ndarray, pairs: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Return int32 (fan, p): how many leaders are nearer than the one that finds the pair by its row's first slots.

    `scores` float32 (s, leaders), the greatest for the nearest.
    """
    ranks = np.full((leaves.shape[1], pairs.shape[1]), _NEVER)
    for pair in range(pairs.shape[1]):
        own, fewest = scores[pairs[0, pair]], _NEVER
        for slot in range(leaves.shape[1]):
            leaf = leaves[pairs[1, pair], slot]
            if leaf >= 0:
                fewest = min(fewest, np.int32((own > own[leaf]).sum()))
            ranks[slot, pair] = fewest
    return ranks


@compiled
def _leaf_sizes(leaves: np.ndarray, leaders: int) -> np.ndarray:
    """Return int64 (fan, leaders): how many rows have each leader in each slot."""
    sizes = np.zeros((leaves.shape[1], leaders), dtype=np.int64)
    for row in range(leaves.shape[0]):
        for slot in range(leaves.shape[1]):
            if leaves[row, slot] >= 0:
                sizes[slot, leaves[row, slot]] += 1
    return sizes


def _fewest_leaders(ranks: Sequence[np.ndarray], sample: Sample, recall: float, most: int) -> int:
    """Return the fewest leaders, at most `most`, that find enough either way; 0 where none do."""

    def enough(leaders: int) -> bool:
        shares = (_share(rank < leaders, pairs[0]) for rank, pairs in zip(ranks, sample.pairs, strict=True))
        return min(shares) >= recall

    counts = range(1, min(most, MOST_FAN) + 1)
    place = bisect_left(counts, True, key=enough)
    return counts[place] if place < len(counts) else 0


def _share(found: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of pairs found, bool (p,), the mean of that of each row, less two standard errors."""
    wanted, reached = np.bincount(rows), np.bincount(rows, found)
    shares = reached[wanted > 0] / wanted[wanted > 0]
    return float(shares.mean() - 2 * shares.std() / math.sqrt(len(shares))) if len(shares) else 1.0
