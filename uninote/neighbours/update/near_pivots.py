"""The pivots near changed rows: not the nearest only, but all within a distance of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Groups
from uninote.neighbours.kernel.candidates import insert_sorted, key_position, key_score, pack_key
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Coded, Workspace, score_rows
from uninote.neighbours.kernel.pivots import lay_out, without_bias
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled


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
    lay_out(workspace, pivots)
    leaves, pairs = _find_within(workspace, without_bias(codes), fan, margin)
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
