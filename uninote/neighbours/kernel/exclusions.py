"""Pairs that no list may hold, whatever they score: what rules forbid, as numbers that compiled loops look at.

Checked where a pair would enter a list, which few of the scored pairs do: so lists of those that are allowed cost about as much
as lists of all, and none has to be filtered and found anew afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.vector_ir import borrowing

# By so much codes of near unit rows may score too low.
_CODES_DIFFER = 0.01


class Exclusions(NamedTuple):
    """Which pairs do not count.

    `groups` int32 (any, n): rows with the same number in any of these are no neighbours of each other, unless it is negative.
    `is_neighbour` bool (n,): rows that may be others' neighbours; of no length where all may. `most` float32: from this score
    on a pair does not count. From a score of codes of `doubtful` on, it is computed from `vectors` float32 (n, d), whose row
    of position i is rows[i], int64.
    """

    groups: np.ndarray
    is_neighbour: np.ndarray
    most: np.float32 = np.float32(np.inf)
    doubtful: np.float32 = np.float32(np.inf)
    vectors: np.ndarray = np.empty((0, 0), np.float32)
    rows: np.ndarray = np.empty(0, np.int64)


NOBODY = Exclusions(np.empty((0, 0), np.int32), np.empty(0, np.bool_))


def in_codes(excluded: Exclusions, mean: np.ndarray, vectors: np.ndarray) -> Exclusions:
    """Return the exclusions for codes of `vectors`, (n, d), around `mean`, float32 (d,): they leave <mean, mean> out."""
    if not np.isfinite(excluded.most):
        return excluded
    doubtful = np.float32(excluded.most - mean @ mean - _CODES_DIFFER)
    own = np.require(vectors, np.float32, ["C", "W"])
    return excluded._replace(doubtful=doubtful, vectors=own, rows=np.arange(len(vectors)))


def in_order(excluded: Exclusions, order: np.ndarray) -> Exclusions:
    """Return the exclusions of the rows in `order`, int64 (n,)."""
    groups, is_neighbour, _, _, _, rows = excluded
    return excluded._replace(
        groups=np.ascontiguousarray(groups[:, order]) if len(groups) else groups,
        is_neighbour=is_neighbour[order] if len(is_neighbour) else is_neighbour,
        rows=rows[order] if len(rows) else rows,
    )


@borrowing
def may_meet(excluded: Exclusions, owner: int, other: int, score: float) -> bool:
    """Say whether `other` may be in the list of `owner`, by a `score` of codes."""
    if len(excluded.is_neighbour) > 0 and not excluded.is_neighbour[other]:
        return False
    for number in range(excluded.groups.shape[0]):
        group = excluded.groups[number, owner]
        if group >= 0 and group == excluded.groups[number, other]:
            return False
    # Most pairs score so low that codes are precise enough to admit them. The few others, where a
    # duplicate might pass as a neighbour, are computed from the vectors.
    if score < excluded.doubtful:
        return True
    return bool(dot_rows(excluded.vectors, excluded.rows[owner], excluded.rows[other]) < excluded.most)
