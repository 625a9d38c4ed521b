"""Blocks of changed rows meet blocks of other rows: the compiled loops, which lay out both sides and note every hit.

There may be a million others, of which few gain anything; so there are no lists for them, but one flat array of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.candidates import Candidates, offer
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.exclusions import may_meet
from uninote.neighbours.kernel.leaves import Coded, Workspace, gather, pack, score_rows
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_PLACES, TILE_ROWS
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

# How many rows of either side meet at once: multiples of a tile, that fit into a core's own cache together.
NEAR_ROWS = 480
FAR_ROWS = 2016


class Hits(NamedTuple):
    """What changed rows are to others: the first `filled`, int64 (1,), of `pairs` int64 (room,), row << 32 | changed row.

    In no order, maybe more than once.
    """

    pairs: np.ndarray
    filled: np.ndarray


class JoinState(NamedTuple):
    """What the compiled loops read and write: changed rows are laid out in `near`, others as columns in `far`."""

    near: Workspace
    far: Workspace
    codes: Codes
    candidates: Candidates
    hits: Hits


@compiled
def blocks_of(changed: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return int64 (blocks, 4): from and to among changed rows, from and to among others, of groups cut to fit workspaces.

    Both arguments are the starts of the groups. Blocks of the same others stand together: those are packed once.
    """
    count = 0
    for group in range(len(changed) - 1):
        near = changed[group + 1] - changed[group]
        far = others[group + 1] - others[group]
        count += -(-near // NEAR_ROWS) * -(-far // FAR_ROWS)
    blocks = np.empty((count, 4), dtype=np.int64)
    block = 0
    for group in range(len(changed) - 1):
        for far in range(others[group], others[group + 1], FAR_ROWS):
            for near in range(changed[group], changed[group + 1], NEAR_ROWS):
                blocks[block, 0] = near
                blocks[block, 1] = min(near + NEAR_ROWS, changed[group + 1])
                blocks[block, 2] = far
                blocks[block, 3] = min(far + FAR_ROWS, others[group + 1])
                block += 1
    return blocks


@compiled
def join_blocks(state: JoinState, changed: np.ndarray, others: np.ndarray, blocks: np.ndarray, first: int) -> int:
    """Join blocks from the first on; return the one for whose hits there may not be room."""
    limits = state.candidates.limits
    for block in range(first, len(blocks)):
        mine = changed[blocks[block, 0] : blocks[block, 1]]
        theirs = others[blocks[block, 2] : blocks[block, 3]]
        if state.hits.filled[0] + len(mine) * len(theirs) > len(state.hits.pairs):
            return block
        # Blocks of the same others come one after the other: those are laid out and packed once.
        if block == first or blocks[block, 2] != blocks[block - 1, 2]:
            gather(state.far, state.codes, limits, theirs, len(theirs))
            pack(state.far, len(theirs))
        gather(state.near, state.codes, limits, mine, len(mine))
        _join_gathered(state, mine, theirs)
        # Limits rose while hits were offered, and the next block of these rows starts from them.
        for i in range(len(mine)):
            limits[mine[i]] = state.near.meta[2, i]
    return len(blocks)


@borrowing
def _join_gathered(state: JoinState, mine: np.ndarray, theirs: np.ndarray) -> None:
    """Join what is laid out: a hit of a changed row enters its list, one of another row is noted."""
    near, far, _, candidates, hits = state
    coded = Coded(near.rows, near.sums, near.meta)
    for group in range((len(theirs) + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for row in range(0, len(mine), TILE_ROWS):
            found = score_rows(far, coded, row, group)
            for hit in range(found):
                place = np.int64(far.hits[hit])
                i = (place & (TILE_PLACES - 1)) >> 5
                j = place & 31
                changed = mine[row + i]
                other = theirs[group * TILE_COLUMNS + j]
                score = far.scores[i, j]
                if place < TILE_PLACES:
                    if may_meet(candidates.excluded, changed, other, score):
                        near.meta[2, row + i] = offer(candidates.keys, changed, score, other)
                elif may_meet(candidates.excluded, other, changed, score):
                    hits.pairs[hits.filled[0]] = (np.int64(other) << 32) | changed
                    hits.filled[0] += 1
