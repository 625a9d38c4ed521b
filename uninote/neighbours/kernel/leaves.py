"""Leaves: small groups of rows near one pivot, in which all pairs are scored at once, for both of their sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Groups
from uninote.neighbours.kernel.candidates import Candidates, offer
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.exclusions import may_meet
from uninote.neighbours.kernel.simd.lists import prefetch_row
from uninote.neighbours.kernel.simd.rows import copy_row
from uninote.neighbours.kernel.simd.scores import score_tile_fast, score_tile_portable
from uninote.neighbours.kernel.simd.tiles import (
    HAS_VNNI,
    HIT_SLOTS,
    TILE_COLUMNS,
    TILE_PLACES,
    TILE_ROWS,
    aligned_empty,
    pack_rows,
)
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

_STEP = 96  # rows of whole tiles both ways: a multiple of 12 and of 32


class Workspace(NamedTuple):
    """Where a leaf is laid out, used again for each: nothing is allocated while leaves are joined.

    `rows` int8 (n, width), `sums` int32 (n,) and `meta` float32 (3, n): the gathered codes, as in Codes. `packed` uint8: the
    same rows as columns of tiles. `scores` float32 (12, 32) and `hits` uint16: of one tile. `columns` int64 (1,): how many
    rows are packed, where that is asked. `vnni`: whether tiles are scored by AVX-512 VNNI.
    """

    rows: np.ndarray
    sums: np.ndarray
    meta: np.ndarray
    packed: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    columns: np.ndarray
    vnni: bool


class Coded(NamedTuple):
    """Of Codes or a Workspace what scoring reads of its rows: a compiled call passes each array of its arguments."""

    rows: np.ndarray
    sums: np.ndarray
    meta: np.ndarray


def make_workspace(rows: int, width: int, vnni: bool = True) -> Workspace:
    """Return a workspace for leaves of at most `rows` rows of `width` bytes; `vnni` allows what not every CPU has."""
    padded = -(-rows // _STEP) * _STEP
    codes = aligned_empty((padded, width), np.int8)
    codes[:] = 0
    return Workspace(
        rows=codes,
        sums=np.zeros(padded, dtype=np.int32),
        meta=np.zeros((3, padded), dtype=np.float32),
        packed=aligned_empty((padded // TILE_COLUMNS, width // 4, TILE_COLUMNS, 4), np.uint8),
        scores=aligned_empty((TILE_ROWS, TILE_COLUMNS), np.float32),
        hits=np.zeros(HIT_SLOTS, dtype=np.uint16),
        columns=np.zeros(1, dtype=np.int64),
        vnni=vnni and HAS_VNNI,
    )


@borrowing
def gather(workspace: Workspace, codes: Codes, limits: np.ndarray, rows: np.ndarray, count: int) -> None:
    """Copy the first `count` of `rows`, int32, into the workspace; what pads the last tiles can never be a hit.

    Rows of a leaf come from anywhere in memory: scored where they lie, each would be fetched again for every tile.
    """
    for i in range(count):
        row = rows[i]
        copy_row(workspace.rows, i, codes.rows, row)
        workspace.sums[i] = codes.sums[row]
        workspace.meta[0, i] = codes.meta[0, row]
        workspace.meta[1, i] = codes.meta[1, row]
        workspace.meta[2, i] = limits[row]
    # Scale 0 and bias -inf: what pads a tile scores -inf with everything, and nothing beats its limit.
    # Loops over whole tiles then need no test for the end.
    for i in range(count, (count + _STEP - 1) // _STEP * _STEP):
        workspace.meta[0, i] = 0
        workspace.meta[1, i] = -np.inf
        workspace.meta[2, i] = np.inf


@borrowing
def pack(workspace: Workspace, count: int) -> None:
    """Pack the first `count` rows of the workspace, to be columns."""
    for group in range((count + TILE_COLUMNS - 1) // TILE_COLUMNS):
        pack_rows(workspace.rows, group * TILE_COLUMNS, workspace.packed, group)


@borrowing
def join_leaf(
    workspace: Workspace, codes: Codes, candidates: Candidates, rows: np.ndarray, shape: tuple[int, int]
) -> None:
    """Offer to each other all pairs of the first count of `rows`, int32, that hold one of the first `fresh`.

    `shape` is (count, fresh), fresh <= count; the rows are distinct.
    """
    count, fresh = shape
    mine = Coded(workspace.rows, workspace.sums, workspace.meta)
    gather(workspace, codes, candidates.limits, rows, count)
    pack(workspace, count)
    for i in range(count):
        # The lists that this leaf may change are asked for now, and have come when its first hits are offered.
        if rows[i] < len(candidates.keys):
            prefetch_row(candidates.keys, rows[i])
    for group in range((count + TILE_COLUMNS - 1) // TILE_COLUMNS):
        # Only tiles that reach the diagonal: a pair is scored once, for both of its sides.
        for row in range(0, min(fresh, (group + 1) * TILE_COLUMNS), TILE_ROWS):
            found = score_rows(workspace, mine, row, group)
            if found:
                _offer_hits(workspace, candidates, rows, found, (row, group * TILE_COLUMNS))
    for i in range(count):
        candidates.limits[rows[i]] = workspace.meta[2, i]


@borrowing
def _offer_hits(
    workspace: Workspace, candidates: Candidates, rows: np.ndarray, found: int, corner: tuple[int, int]
) -> None:
    """Offer the hits of one tile, whose first row and column are the `corner`."""
    keys, _, excluded = candidates
    limits = workspace.meta[2]
    first_row, first_column = corner
    for hit in range(found):
        place = np.int64(workspace.hits[hit])
        i = (place & (TILE_PLACES - 1)) >> 5
        j = place & 31
        score = workspace.scores[i, j]
        i = first_row + i
        j = first_column + j
        # A tile on the diagonal holds each of its pairs twice.
        if i < j:
            target, other = (i, j) if place < TILE_PLACES else (j, i)
            if may_meet(excluded, rows[target], rows[other], score):
                limits[target] = offer(keys, rows[target], score, rows[other])


@borrowing
def score_rows(workspace: Workspace, source: Coded, row: int, group: int) -> int:
    """Score the 12 rows of `source` from `row` on with the 32 of a packed group; return the number of hits."""
    # Two calls, as what emits instructions is no function that a variable could hold.
    if workspace.vnni:
        found: int = score_tile_fast(
            source.rows,
            row,
            source.sums,
            source.meta,
            workspace.packed,
            group,
            workspace.meta,
            workspace.scores,
            workspace.hits,
        )
    else:
        found = score_tile_portable(
            source.rows,
            row,
            source.sums,
            source.meta,
            workspace.packed,
            group,
            workspace.meta,
            workspace.scores,
            workspace.hits,
        )
    return found


@compiled
def join_leaves(
    workspace: Workspace, codes: Codes, candidates: Candidates, starts: np.ndarray, rows: np.ndarray
) -> None:
    """Join each group, rows[starts[g] : starts[g + 1]], as one leaf, or as several where the workspace does not hold it."""
    most = len(workspace.sums)
    for group in range(len(starts) - 1):
        first = starts[group]
        size = starts[group + 1] - first
        # Parts of one size: a remainder of a few rows would meet hardly anybody.
        parts = (size + most - 1) // most
        for part in range(parts):
            leaf = rows[first + size * part // parts : first + size * (part + 1) // parts]
            join_leaf(workspace, codes, candidates, leaf, (len(leaf), len(leaf)))


@compiled
def join_further(workspace: Workspace, codes: Codes, candidates: Candidates, nearest: Groups, further: Groups) -> None:
    """Join in each leaf the rows of `further` with each other and with those of `nearest`, which have met."""
    most = len(workspace.sums)
    leaf = np.empty(most, dtype=np.int32)
    for group in range(len(nearest.starts) - 1):
        old = nearest.rows[nearest.starts[group] : nearest.starts[group + 1]]
        new = further.rows[further.starts[group] : further.starts[group + 1]]
        parts = (len(old) + len(new) + most - 1) // most
        for part in range(parts):
            some = new[len(new) * part // parts : len(new) * (part + 1) // parts]
            others = old[len(old) * part // parts : len(old) * (part + 1) // parts]
            count = len(some) + len(others)
            leaf[: len(some)] = some
            leaf[len(some) : count] = others
            join_leaf(workspace, codes, candidates, leaf, (count, len(some)))


@compiled
def join_with_first(workspace: Workspace, codes: Codes, candidates: Candidates, rows: np.ndarray, fresh: int) -> None:
    """Join the first `fresh` of the distinct `rows`, int32, with each other and with the others of them."""
    join_leaf(workspace, codes, candidates, rows, (len(rows), fresh))


@compiled
def join_hubs(
    workspace: Workspace, codes: Codes, candidates: Candidates, hubs: np.ndarray, was_hub: np.ndarray
) -> None:
    """Join each of the distinct `hubs`, int32, at most half as many as the workspace has rows, with every row.

    `was_hub`, bool (n,): rows that were hubs before, and so have met these; the hubs are added to it.
    """
    room = workspace.rows.shape[0]
    last = len(codes.squares) - 1
    rows = np.empty(room, dtype=np.int32)
    rows[: len(hubs)] = hubs
    was_hub[hubs] = True
    count = len(hubs)
    # The hubs stay in the first rows of the workspace, and the others pass by in batches that fill it.
    for row in range(last + 1):
        if not was_hub[row]:
            rows[count] = row
            count += 1
        if count == room or row == last:
            join_leaf(workspace, codes, candidates, rows, (count, len(hubs)))
            count = len(hubs)
