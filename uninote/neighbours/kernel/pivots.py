"""Pivots: the means of rows that gathered around random rows, around which all rows then gather.

Each row is scored against each pivot. With leaves that grow as the root of n that stays below the cost of the leaves
themselves; looking only near some pivots of the pivots lost recall wherever the clusters have no order among them.

A row is nearer to the mean of its kind than to one of them at random, so fewer neighbours part. Of a sample the means cost
half of what assigning all rows does.

Nearest means the greatest <x, p> - |p|^2 / 2: half the squared distance, negated, less what is the same for all pivots.
"""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.candidates import insert_sorted, key_position, key_score, pack_key
from uninote.neighbours.kernel.codes import Codes, encode_around, reordered
from uninote.neighbours.kernel.leaves import Coded, Workspace, gather, pack, score_rows
from uninote.neighbours.kernel.settings import MOST_FAN, SAMPLED_PART
from uninote.neighbours.kernel.simd.lists import push_best, take_best
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS, aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled, summing_borrowed

# So often pivots become the means of the sampled rows that are nearest to them.
MOVES = 4
# So many tiles of a row are swept: each lane keeps its best, without a branch. Past them a score that is of use is rare, and
# a branch that is hardly ever taken costs less than the sweep.
_SWEPT_GROUPS = MOST_FAN // TILE_COLUMNS
# The lowest bits of a swept score give way to the number of the pivot, so that one integer holds both.
# It costs 8 of the 23 bits of a float32: scores that differ by less than 2^-15 may change places.
_PLACE_BITS = _SWEPT_GROUPS * TILE_COLUMNS - 1
_LEAST = -(2**31)


def draw_pivots(
    workspace: Workspace, codes: Codes, count: int, generator: np.random.Generator, moves: int = MOVES
) -> np.ndarray:
    """Return so many pivots, float32 (count, width of the codes), for n >= count rows, as the codes have them: centred.

    They are random rows where there are no `moves`. The workspace holds as many rows as there are pivots.
    """
    rows = len(codes.squares)
    sampled = generator.choice(rows, max(count, rows // SAMPLED_PART), replace=False)
    sample = reordered(codes, np.sort(sampled))
    chosen = np.sort(generator.choice(len(sampled), count, replace=False))
    pivots: np.ndarray = sample.rows[chosen] * sample.meta[0, chosen, None]
    for _ in range(moves):
        leaves = nearest_pivots(workspace, sample, encode_pivots(pivots), 1)
        _move_to_means(sample, leaves, pivots, np.zeros_like(pivots), np.zeros(count, dtype=np.int64))
    return pivots


def encode_pivots(pivots: np.ndarray) -> Codes:
    """Return the codes of centred `pivots`, float32 (p, width of the codes)."""
    return encode_around(pivots, np.zeros(pivots.shape[1], dtype=np.float32))


@summing_borrowed
def _move_to_means(codes: Codes, leaves: np.ndarray, pivots: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> None:
    """Replace each pivot by the mean of the rows that are nearest to it, if there are any; `sums` and `counts` are zero."""
    for row in range(len(leaves)):
        pivot = leaves[row, 0]
        counts[pivot] += 1
        for j in range(pivots.shape[1]):
            sums[pivot, j] += codes.rows[row, j] * codes.meta[0, row]
    for pivot in range(len(pivots)):
        if counts[pivot] > 0:
            for j in range(pivots.shape[1]):
                pivots[pivot, j] = sums[pivot, j] / np.float32(counts[pivot])


def nearest_pivots(workspace: Workspace, codes: Codes, pivots: Codes, fan: int) -> np.ndarray:
    """Return int32 (n, fan), nearest first: which of the `pivots` are nearest to each row.

    There are at least `fan` of them, and the workspace holds as many rows.
    """
    leaves = np.zeros((len(codes.squares), fan), dtype=np.int32)
    best = np.empty((TILE_ROWS, fan), dtype=np.int64)
    swept = aligned_empty((TILE_ROWS, fan, TILE_COLUMNS), np.int32)
    lay_out(workspace, pivots)
    _rank_pivots(workspace, without_bias(codes), leaves, best, swept)
    return leaves


def without_bias(codes: Codes) -> Codes:
    """Return codes with a meta of their own, whose scores with pivots order as distances do."""
    meta = codes.meta.copy()
    # The bias of a row is the same with every pivot, so it decides nothing here.
    meta[1] = 0
    meta[2] = np.inf
    return codes._replace(meta=meta)


@compiled
def lay_out(workspace: Workspace, pivots: Codes) -> None:
    """Lay out pivots as columns whose scores are <x, p> - |p|^2 / 2."""
    count = len(pivots.squares)
    gather(workspace, pivots, pivots.meta[1], np.arange(count), count)
    pack(workspace, count)
    workspace.meta[1, :count] = np.float32(-0.5) * pivots.squares
    workspace.meta[2] = np.inf
    workspace.columns[0] = count


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
