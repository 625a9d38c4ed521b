"""Assignments of rows to pivots: each pivot has a leaf, the rows that are nearest to it.

Those of a full join are stored, so that rows which change later are scored only against the rows in the leaves near them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.simd.vector_ir import compiled

MOST_RECORDED = 4  # a later join finds enough in the leaves of so many


class Assignment(NamedTuple):
    """One round: `pivots` float32 (p, width), vectors; `leaves` int32 (n, fan), the numbers of each
    row's nearest pivots, nearest first, -1 for none."""

    pivots: np.ndarray
    leaves: np.ndarray


class Groups(NamedTuple):
    """The rows of each pivot's leaf, one leaf after another: those of leaf g are rows[starts[g] : starts[g + 1]].

    `starts` int64 (pivots + 1,); `rows` int32, ascending in each leaf.
    """

    starts: np.ndarray
    rows: np.ndarray


class Recorder:
    """Appends the first MOST_RECORDED assignments of a join to a list.

    `mean` float32 (width,) is what the codes of the joined rows are centred around.
    """

    def __init__(self, mean: np.ndarray, assignments: list[Assignment]) -> None:
        self._mean = mean
        self._assignments = assignments
        self._room = MOST_RECORDED

    def add(self, pivots: np.ndarray, leaves: np.ndarray) -> None:
        """Append one if there is room: centred `pivots`, float32 (p, at least width), and `leaves` int32 (n, fan)."""
        if self._room > 0:
            self._assignments.append(Assignment(pivots[:, : len(self._mean)] + self._mean, leaves))
            self._room -= 1


@compiled
def group_rows(leaves: np.ndarray, pivots: int) -> Groups:
    """Return the groups of `leaves`, int (n, fan), numbers of so many pivots, -1 for none."""
    starts = np.zeros(pivots + 1, dtype=np.int64)
    for row in range(leaves.shape[0]):
        for slot in range(leaves.shape[1]):
            starts[leaves[row, slot] + 1] += 1
    # A counting sort: two passes, no comparison. Place 0 has counted the rows without a leaf, which are -1.
    starts[0] = 0
    starts = np.cumsum(starts)
    end = starts[:-1].copy()
    rows = np.empty(starts[-1], dtype=np.int32)
    for row in range(leaves.shape[0]):
        for slot in range(leaves.shape[1]):
            pivot = leaves[row, slot]
            if pivot >= 0:
                rows[end[pivot]] = row
                end[pivot] += 1
    return Groups(starts, rows)
