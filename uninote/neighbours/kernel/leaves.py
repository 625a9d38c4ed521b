"""Leaves: small groups of rows near one pivot, in which all pairs are scored at once, for both of their sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.candidates import Lists, offer
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.simd.lists import prefetch_row
from uninote.neighbours.kernel.simd.rows import copy_row
from uninote.neighbours.kernel.simd.tiles import (
    HIT_SLOTS,
    TILE_COLUMNS,
    TILE_PLACES,
    TILE_ROWS,
    aligned_empty,
    pack_rows,
    score_tile_fast,
    score_tile_portable,
)
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

_STEP = 96  # rows of whole tiles both ways: a multiple of 12 and of 32


class Workspace(NamedTuple):
    """Where a leaf is laid out: gathered codes, the same packed, their meta; one tile's scores and hits; the number of
    columns."""

    codes: np.ndarray
    sums: np.ndarray
    meta: np.ndarray
    packed: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    columns: np.ndarray
    vnni: bool


def make_workspace(rows: int, width: int, vnni: bool) -> Workspace:
    """Return a workspace for leaves of at most `rows` rows of `width` bytes."""
    padded = -(-rows // _STEP) * _STEP
    codes = aligned_empty((padded, width), np.int8)
    codes[:] = 0
    return Workspace(
        codes,
        np.zeros(padded, dtype=np.int32),
        np.zeros((3, padded), dtype=np.float32),
        aligned_empty((padded // TILE_COLUMNS, width // 4, TILE_COLUMNS, 4), np.uint8),
        aligned_empty((TILE_ROWS, TILE_COLUMNS), np.float32),
        np.zeros(HIT_SLOTS, dtype=np.uint16),
        np.zeros(1, dtype=np.int64),
        vnni,
    )


@borrowing
def gather(workspace: Workspace, codes: Codes, limits: np.ndarray, members: np.ndarray, count: int) -> None:
    """Copy the first `count` rows of `members` onto the workspace; what pads the last tiles can never be a hit."""
    for i in range(count):
        row = members[i]
        copy_row(workspace.codes, i, codes.rows, row)
        workspace.sums[i] = codes.sums[row]
        workspace.meta[0, i], workspace.meta[1, i], workspace.meta[2, i] = (
            codes.meta[0, row],
            codes.meta[1, row],
            limits[row],
        )
    for i in range(count, (count + _STEP - 1) // _STEP * _STEP):
        workspace.meta[0, i], workspace.meta[1, i], workspace.meta[2, i] = 0, -np.inf, np.inf


@borrowing
def pack(workspace: Workspace, count: int) -> None:
    """Pack the first `count` rows on the workspace, to be columns."""
    for group in range((count + TILE_COLUMNS - 1) // TILE_COLUMNS):
        pack_rows(workspace.codes, group * TILE_COLUMNS, workspace.packed, group)


@borrowing
def join_leaf(workspace: Workspace, codes: Codes, lists: Lists, members: np.ndarray, shape: tuple[int, int]) -> None:
    """Offer to each other all pairs of the first count rows of `members` that hold one of the first `fresh`.

    `shape` is (count, fresh), fresh <= count; the rows are distinct.
    """
    count, fresh = shape
    gather(workspace, codes, lists.limits, members, count)
    pack(workspace, count)
    for i in range(count):
        if members[i] < len(lists.keys):
            prefetch_row(lists.keys, members[i])
    for group in range((count + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for row in range(0, min(fresh, (group + 1) * TILE_COLUMNS), TILE_ROWS):
            found = score_rows(workspace, workspace.codes, workspace.sums, workspace.meta, row, group)
            if found:
                _offer_hits(workspace, lists.keys, members, found, row, group * TILE_COLUMNS)
    for i in range(count):
        lists.limits[members[i]] = workspace.meta[2, i]


@borrowing
def _offer_hits(workspace: Workspace, keys: np.ndarray, members: np.ndarray, found: int, row: int, column: int) -> None:
    hits, scores, limits = workspace.hits, workspace.scores, workspace.meta[2]
    for hit in range(found):
        place = np.int64(hits[hit])
        i, j = (place & 511) >> 5, place & 31
        score = scores[i, j]
        i, j = row + i, column + j
        if i < j:
            target, other = (i, j) if place < TILE_PLACES else (j, i)
            limits[target] = offer(keys, members[target], score, members[other])


@borrowing
def score_rows(
    workspace: Workspace, codes: np.ndarray, sums: np.ndarray, meta: np.ndarray, row: int, group: int
) -> int:
    """Score codes[row : row + 12] against the 32 rows of a packed group; return the number of hits."""
    if workspace.vnni:
        found: int = score_tile_fast(
            codes, row, sums, meta, workspace.packed, group, workspace.meta, workspace.scores, workspace.hits
        )
    else:
        found = score_tile_portable(
            codes, row, sums, meta, workspace.packed, group, workspace.meta, workspace.scores, workspace.hits
        )
    return found


@compiled
def join_leaves(workspace: Workspace, codes: Codes, lists: Lists, starts: np.ndarray, rows: np.ndarray) -> None:
    """Join each group, rows[starts[g] : starts[g + 1]], as one leaf, or as several where the workspace does not hold it.

    Rows ascend in a group, so that members come before visitors, and pairs of two visitors are not scored.
    """
    most = len(workspace.sums)
    for pivot in range(len(starts) - 1):
        size = starts[pivot + 1] - starts[pivot]
        parts = (size + most - 1) // most
        for part in range(parts):
            leaf = rows[starts[pivot] + size * part // parts : starts[pivot] + size * (part + 1) // parts]
            join_leaf(workspace, codes, lists, leaf, (len(leaf), int(np.searchsorted(leaf, len(lists.keys)))))


@compiled
def join_hubs(workspace: Workspace, codes: Codes, lists: Lists, hubs: np.ndarray, was_hub: np.ndarray) -> None:
    """Join each of the distinct `hubs`, int32, at most half as many as the workspace has rows, with every row.

    `was_hub`, bool (n,): rows that were hubs before, and so have met these; the hubs are added to it.
    """
    room, rows = workspace.codes.shape[0], len(codes.squares)
    members = np.empty(room, dtype=np.int32)
    members[: len(hubs)], was_hub[hubs] = hubs, True
    count = len(hubs)
    for row in range(rows):
        if not was_hub[row]:
            members[count] = row
            count += 1
        if count == room or row == rows - 1:
            join_leaf(workspace, codes, lists, members, (count, len(hubs)))
            count = len(hubs)
