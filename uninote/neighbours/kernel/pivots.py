"""Leaders: random rows, around which the other rows gather.

Each row is scored against each leader. With leaves that grow as the root of n that stays below the cost of the leaves
themselves; looking only near some chiefs of the leaders lost recall wherever the clusters have no order among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.candidates import key_score
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Bench, gather, pack, score_rows
from uninote.neighbours.kernel.settings import MOST_FAN
from uninote.neighbours.kernel.simd.lists import keep_best, take_best
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS, aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

# So many tiles of a row are swept without a branch; past them a score that is of use is rare.
_SWEPT_GROUPS = MOST_FAN // TILE_COLUMNS
_LOW = _SWEPT_GROUPS * TILE_COLUMNS - 1
_LEAST = -(2**31)


class Groups(NamedTuple):
    """The rows around leader g: rows[starts[g] : starts[g + 1]], int32, ascending."""

    starts: np.ndarray
    rows: np.ndarray


def gather_around(bench: Bench, codes: Codes, leaders: np.ndarray, fan: int) -> np.ndarray:
    """Return int32 (n, fan), nearest first: the places in `leaders`, distinct row numbers, of each row's nearest ones.

    There are at least `fan` leaders, and the bench holds as many rows.
    """
    meta = codes.meta.copy()
    meta[1], meta[2] = 0, np.inf
    nearest = np.zeros((len(codes.squares), fan), dtype=np.int32)
    scores = np.empty((TILE_ROWS, fan), dtype=np.float32)
    _seat(bench, codes, leaders)
    swept = aligned_empty((TILE_ROWS, fan, TILE_COLUMNS), np.int32)
    _rank_leaders(bench, codes._replace(meta=meta), nearest, scores, swept)
    return nearest


@compiled
def _seat(bench: Bench, codes: Codes, leaders: np.ndarray) -> None:
    """Lay out leaders as columns whose scores order as the distances do: <x, l> - |l|^2 / 2."""
    gather(bench, codes, codes.meta[1], leaders, len(leaders))
    pack(bench, len(leaders))
    bench.meta[1, : len(leaders)] = np.float32(-0.5) * codes.squares[leaders]
    bench.meta[2] = np.inf
    bench.columns[0] = len(leaders)


@borrowing
def _rank_leaders(bench: Bench, codes: Codes, nearest: np.ndarray, scores: np.ndarray, swept: np.ndarray) -> None:
    """Write the nearest leaders on the bench, for 12 rows at a time; `scores` and `swept` are room to work."""
    limits = codes.meta[2]
    groups = (bench.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS
    for row in range(0, nearest.shape[0], TILE_ROWS):
        swept[:] = _LEAST
        for group in range(min(groups, _SWEPT_GROUPS)):
            score_rows(bench, codes.rows, codes.sums, codes.meta, row, group)
            keep_best(bench.scores, swept, group * TILE_COLUMNS, _LOW)
        for i in range(min(TILE_ROWS, nearest.shape[0] - row)):
            for slot in range(nearest.shape[1]):
                most = np.int64(take_best(swept, i))
                nearest[row + i, slot], scores[i, slot] = most & _LOW, key_score((most & ~_LOW) << 32)
            limits[row + i] = scores[i, nearest.shape[1] - 1]
        for group in range(_SWEPT_GROUPS, groups):
            for hit in range(score_rows(bench, codes.rows, codes.sums, codes.meta, row, group)):
                place = np.int64(bench.hits[hit])
                own, score = place >> 5, bench.scores[place >> 5, place & 31]
                _keep(nearest[row + own], scores[own], group * TILE_COLUMNS + (place & 31), score)
                limits[row + own] = scores[own, nearest.shape[1] - 1]


@borrowing
def _keep(places: np.ndarray, scores: np.ndarray, place: np.int64, score: np.float32) -> None:
    """Insert a place into the best few, unless it is no better than the last."""
    slot = len(places)
    while slot > 0 and scores[slot - 1] < score:
        slot -= 1
        if slot + 1 < len(places):
            places[slot + 1], scores[slot + 1] = places[slot], scores[slot]
    if slot < len(places):
        places[slot], scores[slot] = place, score


def look_around(bench: Bench, codes: Codes, leaders: Codes, fan: int, margin: float) -> tuple[np.ndarray, Groups]:
    """Return (nearest int32 (n, fan) as `gather_around` does, the rows by the leaders that they look at).

    Those are the nearest and all whose half squared distance exceeds its by less than `margin`. The leaders, on a bench
    that holds them, need not be among the rows.
    """
    _seat(bench, leaders, np.arange(len(leaders.squares)))
    meta = codes.meta.copy()
    meta[1], meta[2] = 0, np.inf
    nearest, pairs = _look(bench, codes._replace(meta=meta), fan, margin)
    pairs.sort()
    starts = np.searchsorted(pairs, np.arange(len(leaders.squares) + 1) << 32)
    return nearest, Groups(starts, (pairs & 0xFFFFFFFF).astype(np.int32))


@compiled
def _look(bench: Bench, codes: Codes, fan: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (nearest int32 (n, fan), int64: leader << 32 | row, for each leader that a row looks at)."""
    count, width = len(codes.squares), bench.columns[0]
    nearest, scores = np.zeros((count, fan), dtype=np.int32), np.empty((TILE_ROWS, fan), dtype=np.float32)
    pairs, near = np.empty(16 * count, dtype=np.int64), np.empty((TILE_ROWS, width), dtype=np.float32)
    filled = 0
    for row in range(0, count, TILE_ROWS):
        rows = min(TILE_ROWS, count - row)
        scores[:], near[:] = -np.inf, -np.inf
        codes.meta[2, row : row + rows] = -np.inf
        _look_at_leaders(bench, codes, nearest[row : row + rows], (scores, near), (row, margin))
        for own in range(rows):
            least = scores[own, 0] - margin
            if filled + width > len(pairs):
                pairs = np.concatenate((pairs, np.empty(len(pairs) + width, dtype=np.int64)))
            for leader in range(width):
                if near[own, leader] >= least:
                    pairs[filled] = (leader << 32) | (row + own)
                    filled += 1
    return nearest, pairs[:filled]


@borrowing
def _look_at_leaders(
    bench: Bench, codes: Codes, nearest: np.ndarray, room: tuple[np.ndarray, np.ndarray], look: tuple[int, float]
) -> None:
    """Rank the nearest leaders of up to 12 rows, and write into room[1] the scores of those that may be near enough."""
    (scores, near), (row, margin) = room, look
    last = nearest.shape[1] - 1
    for group in range((bench.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for hit in range(score_rows(bench, codes.rows, codes.sums, codes.meta, row, group)):
            place = np.int64(bench.hits[hit])
            own, leader = place >> 5, group * TILE_COLUMNS + (place & 31)
            near[own, leader] = bench.scores[own, place & 31]
            _keep(nearest[own], scores[own], leader, near[own, leader])
            codes.meta[2, row + own] = min(scores[own, last], scores[own, 0] - margin)


@compiled
def group_rows(nearest: np.ndarray, leaders: int) -> Groups:
    """Return the groups of `nearest`, int (n, fan), places among so many leaders, -1 for none."""
    starts = np.zeros(leaders + 1, dtype=np.int64)
    for i in range(nearest.shape[0]):
        for slot in range(nearest.shape[1]):
            starts[nearest[i, slot] + 1] += 1
    starts[0] = 0
    starts = np.cumsum(starts)
    place, rows = starts[:-1].copy(), np.empty(starts[-1], dtype=np.int32)
    for i in range(nearest.shape[0]):
        for slot in range(nearest.shape[1]):
            leader = nearest[i, slot]
            if leader >= 0:
                rows[place[leader]] = i
                place[leader] += 1
    return Groups(starts, rows)
