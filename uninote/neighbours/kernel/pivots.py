"""Pivots: random rows, around which the other rows gather.

Each row is scored against each pivot. With leaves that grow as the root of n that stays below the cost of the leaves
themselves; looking only near some chiefs of the pivots lost recall wherever the clusters have no order among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.candidates import key_score
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Workspace, gather, pack, score_rows
from uninote.neighbours.kernel.settings import MOST_FAN
from uninote.neighbours.kernel.simd.lists import push_best, take_best
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS, aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

# So many tiles of a row are swept without a branch; past them a score that is of use is rare.
_SWEPT_GROUPS = MOST_FAN // TILE_COLUMNS
_LOW = _SWEPT_GROUPS * TILE_COLUMNS - 1
_LEAST = -(2**31)


class Groups(NamedTuple):
    """The rows around pivot g: rows[starts[g] : starts[g + 1]], int32, ascending."""

    starts: np.ndarray
    rows: np.ndarray


def gather_around(workspace: Workspace, codes: Codes, pivots: np.ndarray, fan: int) -> np.ndarray:
    """Return int32 (n, fan), nearest first: the places in `pivots`, distinct row numbers, of each row's nearest ones.

    There are at least `fan` pivots, and the workspace holds as many rows.
    """
    meta = codes.meta.copy()
    meta[1], meta[2] = 0, np.inf
    nearest = np.zeros((len(codes.squares), fan), dtype=np.int32)
    scores = np.empty((TILE_ROWS, fan), dtype=np.float32)
    _lay_out(workspace, codes, pivots)
    swept = aligned_empty((TILE_ROWS, fan, TILE_COLUMNS), np.int32)
    _rank_pivots(workspace, codes._replace(meta=meta), nearest, scores, swept)
    return nearest


@compiled
def _lay_out(workspace: Workspace, codes: Codes, pivots: np.ndarray) -> None:
    """Lay out pivots as columns whose scores order as the distances do: <x, l> - |l|^2 / 2."""
    gather(workspace, codes, codes.meta[1], pivots, len(pivots))
    pack(workspace, len(pivots))
    workspace.meta[1, : len(pivots)] = np.float32(-0.5) * codes.squares[pivots]
    workspace.meta[2] = np.inf
    workspace.columns[0] = len(pivots)


@borrowing
def _rank_pivots(
    workspace: Workspace, codes: Codes, nearest: np.ndarray, scores: np.ndarray, swept: np.ndarray
) -> None:
    """Write the nearest pivots on the workspace, for 12 rows at a time; `scores` and `swept` are room to work."""
    limits = codes.meta[2]
    groups = (workspace.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS
    for row in range(0, nearest.shape[0], TILE_ROWS):
        swept[:] = _LEAST
        for group in range(min(groups, _SWEPT_GROUPS)):
            score_rows(workspace, codes.rows, codes.sums, codes.meta, row, group)
            push_best(workspace.scores, swept, group * TILE_COLUMNS, _LOW)
        for i in range(min(TILE_ROWS, nearest.shape[0] - row)):
            for slot in range(nearest.shape[1]):
                most = np.int64(take_best(swept, i))
                nearest[row + i, slot], scores[i, slot] = most & _LOW, key_score((most & ~_LOW) << 32)
            limits[row + i] = scores[i, nearest.shape[1] - 1]
        for group in range(_SWEPT_GROUPS, groups):
            for hit in range(score_rows(workspace, codes.rows, codes.sums, codes.meta, row, group)):
                place = np.int64(workspace.hits[hit])
                own, score = place >> 5, workspace.scores[place >> 5, place & 31]
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


def look_around(
    workspace: Workspace, codes: Codes, pivots: Codes, fan: int, margin: float
) -> tuple[np.ndarray, Groups]:
    """Return (nearest int32 (n, fan) as `gather_around` does, the rows by the pivots that they look at).

    Those are the nearest and all whose half squared distance exceeds its by less than `margin`. The pivots, on a workspace
    that holds them, need not be among the rows.
    """
    _lay_out(workspace, pivots, np.arange(len(pivots.squares)))
    meta = codes.meta.copy()
    meta[1], meta[2] = 0, np.inf
    nearest, pairs = _look(workspace, codes._replace(meta=meta), fan, margin)
    pairs.sort()
    starts = np.searchsorted(pairs, np.arange(len(pivots.squares) + 1) << 32)
    return nearest, Groups(starts, (pairs & 0xFFFFFFFF).astype(np.int32))


@compiled
def _look(workspace: Workspace, codes: Codes, fan: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (nearest int32 (n, fan), int64: pivot << 32 | row, for each pivot that a row looks at)."""
    count, width = len(codes.squares), workspace.columns[0]
    nearest, scores = np.zeros((count, fan), dtype=np.int32), np.empty((TILE_ROWS, fan), dtype=np.float32)
    pairs, near = np.empty(16 * count, dtype=np.int64), np.empty((TILE_ROWS, width), dtype=np.float32)
    filled = 0
    for row in range(0, count, TILE_ROWS):
        rows = min(TILE_ROWS, count - row)
        scores[:], near[:] = -np.inf, -np.inf
        codes.meta[2, row : row + rows] = -np.inf
        _score_pivots(workspace, codes, nearest[row : row + rows], (scores, near), (row, margin))
        for own in range(rows):
            least = scores[own, 0] - margin
            if filled + width > len(pairs):
                pairs = np.concatenate((pairs, np.empty(len(pairs) + width, dtype=np.int64)))
            for pivot in range(width):
                if near[own, pivot] >= least:
                    pairs[filled] = (pivot << 32) | (row + own)
                    filled += 1
    return nearest, pairs[:filled]


@borrowing
def _score_pivots(
    workspace: Workspace,
    codes: Codes,
    nearest: np.ndarray,
    room: tuple[np.ndarray, np.ndarray],
    look: tuple[int, float],
) -> None:
    """Rank the nearest pivots of up to 12 rows, and write into room[1] the scores of those that may be near enough."""
    (scores, near), (row, margin) = room, look
    last = nearest.shape[1] - 1
    for group in range((workspace.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for hit in range(score_rows(workspace, codes.rows, codes.sums, codes.meta, row, group)):
            place = np.int64(workspace.hits[hit])
            own, pivot = place >> 5, group * TILE_COLUMNS + (place & 31)
            near[own, pivot] = workspace.scores[own, place & 31]
            _keep(nearest[own], scores[own], pivot, near[own, pivot])
            codes.meta[2, row + own] = min(scores[own, last], scores[own, 0] - margin)


@compiled
def group_rows(nearest: np.ndarray, pivots: int) -> Groups:
    """Return the groups of `nearest`, int (n, fan), places among so many pivots, -1 for none."""
    starts = np.zeros(pivots + 1, dtype=np.int64)
    for i in range(nearest.shape[0]):
        for slot in range(nearest.shape[1]):
            starts[nearest[i, slot] + 1] += 1
    starts[0] = 0
    starts = np.cumsum(starts)
    place, rows = starts[:-1].copy(), np.empty(starts[-1], dtype=np.int32)
    for i in range(nearest.shape[0]):
        for slot in range(nearest.shape[1]):
            pivot = nearest[i, slot]
            if pivot >= 0:
                rows[place[pivot]] = i
                place[pivot] += 1
    return Groups(starts, rows)
