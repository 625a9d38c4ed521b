"""Pivots: random rows, around which the other rows gather.

Each row is scored against each pivot. With leaves that grow as the root of n that stays below the cost of the leaves
themselves; looking only near some pivots of the pivots lost recall wherever the clusters have no order among them.

Nearest means the greatest <x, p> - |p|^2 / 2: half the squared distance, negated, less what is the same for all pivots.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Groups
from uninote.neighbours.kernel.candidates import insert_sorted, key_position, key_score, pack_key
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Coded, Workspace, gather, pack, score_rows
from uninote.neighbours.kernel.settings import MOST_FAN
from uninote.neighbours.kernel.simd.lists import push_best, take_best
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS, aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

# So many tiles of a row are swept: each lane keeps its best, without a branch. Past them a score that is of use is rare, and
# a branch that is hardly ever taken costs less than the sweep.
_SWEPT_GROUPS = MOST_FAN // TILE_COLUMNS
# The lowest bits of a swept score give way to the number of the pivot, so that one integer holds both.
# It costs 8 of the 23 bits of a float32: scores that differ by less than 2^-15 may change places.
_PLACE_BITS = _SWEPT_GROUPS * TILE_COLUMNS - 1
_LEAST = -(2**31)


def nearest_pivots(workspace: Workspace, codes: Codes, pivots: np.ndarray, fan: int) -> np.ndarray:
    """Return int32 (n, fan), nearest first: which of `pivots`, distinct row numbers int64 (p,), are nearest to each row.

    There are at least `fan` pivots, and the workspace holds as many rows.
    """
    leaves = np.zeros((len(codes.squares), fan), dtype=np.int32)
    best = np.empty((TILE_ROWS, fan), dtype=np.int64)
    swept = aligned_empty((TILE_ROWS, fan, TILE_COLUMNS), np.int32)
    _lay_out(workspace, codes, pivots)
    _rank_pivots(workspace, _without_bias(codes), leaves, best, swept)
    return leaves


def _without_bias(codes: Codes) -> Codes:
    """Return codes with a meta of their own, whose scores with pivots order as distances do."""
    meta = codes.meta.copy()
    # The bias of a row is the same with every pivot, so it decides nothing here.
    meta[1] = 0
    meta[2] = np.inf
    return codes._replace(meta=meta)


@compiled
def _lay_out(workspace: Workspace, codes: Codes, pivots: np.ndarray) -> None:
    """Lay out pivots as columns whose scores are <x, p> - |p|^2 / 2."""
    gather(workspace, codes, codes.meta[1], pivots, len(pivots))
    pack(workspace, len(pivots))
    workspace.meta[1, : len(pivots)] = np.float32(-0.5) * codes.squares[pivots]
    workspace.meta[2] = np.inf
    workspace.columns[0] = len(pivots)


@borrowing
def _rank_pivots(workspace: Workspace, codes: Codes, leaves: np.ndarray, best: np.ndarray, swept: np.ndarray) -> None:
    """Write the nearest of the pivots laid out, for 12 rows at a time; `best` and `swept` are room to work."""
    mine = Coded(codes.rows, codes.sums, codes.meta)
    limits = codes.meta[2]
    fan = leaves.shape[1]
    groups = (workspace.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS
    for row in range(0, leaves.shape[0], TILE_ROWS):
        count = min(TILE_ROWS, leaves.shape[0] - row)
        swept[:] = _LEAST
        for group in range(min(groups, _SWEPT_GROUPS)):
            score_rows(workspace, mine, row, group)
            push_best(workspace.scores, swept, group * TILE_COLUMNS, _PLACE_BITS)
        for i in range(count):
            for slot in range(fan):
                most = np.int64(take_best(swept, i))
                best[i, slot] = pack_key(key_score((most & ~_PLACE_BITS) << 32), most & _PLACE_BITS)
            limits[row + i] = key_score(best[i, fan - 1])
        for group in range(_SWEPT_GROUPS, groups):
            for hit in range(score_rows(workspace, mine, row, group)):
                place = np.int64(workspace.hits[hit])
                own = place >> 5
                column = place & 31
                score = workspace.scores[own, column]
                insert_sorted(best[own], fan, pack_key(score, group * TILE_COLUMNS + column))
                limits[row + own] = key_score(best[own, fan - 1])
        for i in range(count):
            for slot in range(fan):
                leaves[row + i, slot] = key_position(best[i, slot])


class _Near(NamedTuple):
    """What 12 rows know of the pivots: `best` int64 (12, fan), keys; `scores` float32 (12, pivots), -inf where too far.

    A pivot is near enough whose score is at most `margin` below the best one's.
    """

    best: np.ndarray
    scores: np.ndarray
    margin: float


def pivots_within(
    workspace: Workspace, codes: Codes, pivots: Codes, fan: int, margin: float
) -> tuple[np.ndarray, Groups]:
    """Return (leaves int32 (n, fan) as `nearest_pivots` does, the rows by the pivots that they look at).

    Those are the nearest and all whose half squared distance exceeds its by less than `margin`. The pivots, on a workspace
    that holds them, need not be among the rows.
    """
    _lay_out(workspace, pivots, np.arange(len(pivots.squares)))
    leaves, pairs = _find_within(workspace, _without_bias(codes), fan, margin)
    pairs.sort()
    starts = np.searchsorted(pairs, np.arange(len(pivots.squares) + 1) << 32)
    return leaves, Groups(starts, (pairs & 0xFFFFFFFF).astype(np.int32))


@compiled
def _find_within(workspace: Workspace, codes: Codes, fan: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (leaves int32 (n, fan), int64: pivot << 32 | row, for each pivot that a row looks at)."""
    count = len(codes.squares)
    pivots = workspace.columns[0]
    leaves = np.zeros((count, fan), dtype=np.int32)
    near = _Near(np.empty((TILE_ROWS, fan), dtype=np.int64), np.empty((TILE_ROWS, pivots), dtype=np.float32), margin)
    # Room for 16 pivots a row, which is doubled where they are more.
    pairs = np.empty(16 * count, dtype=np.int64)
    filled = 0
    for row in range(0, count, TILE_ROWS):
        rows = min(TILE_ROWS, count - row)
        _score_pivots(workspace, codes, near, row, rows)
        for i in range(rows):
            for slot in range(fan):
                leaves[row + i, slot] = key_position(near.best[i, slot])
            least = key_score(near.best[i, 0]) - margin
            if filled + pivots > len(pairs):
                pairs = np.concatenate((pairs, np.empty(len(pairs) + pivots, dtype=np.int64)))
            for pivot in range(pivots):
                if near.scores[i, pivot] >= least:
                    pairs[filled] = (pivot << 32) | (row + i)
                    filled += 1
    return leaves, pairs[:filled]


@borrowing
def _score_pivots(workspace: Workspace, codes: Codes, near: _Near, row: int, rows: int) -> None:
    """Write into `near` the nearest pivots of up to 12 rows, and the scores of those that may be near enough."""
    mine = Coded(codes.rows, codes.sums, codes.meta)
    fan = near.best.shape[1]
    limits = codes.meta[2]
    near.best[:] = pack_key(np.float32(-np.inf), 0)
    near.scores[:] = -np.inf
    limits[row : row + rows] = -np.inf
    for group in range((workspace.columns[0] + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for hit in range(score_rows(workspace, mine, row, group)):
            place = np.int64(workspace.hits[hit])
            i = place >> 5
            pivot = group * TILE_COLUMNS + (place & 31)
            score = workspace.scores[i, place & 31]
            near.scores[i, pivot] = score
            insert_sorted(near.best[i], fan, pack_key(score, pivot))
            # What is neither among the nearest nor near enough is no hit from now on.
            limits[row + i] = min(key_score(near.best[i, fan - 1]), key_score(near.best[i, 0]) - near.margin)
