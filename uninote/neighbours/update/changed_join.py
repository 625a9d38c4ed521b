"""The changed rows meet many others: changed ones have lists, of the others only the pairs are noted that may enter theirs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Groups
from uninote.neighbours.kernel.candidates import (
    empty_candidates,
    insert_sorted,
    key_position,
    key_score,
    pack_key,
)
from uninote.neighbours.kernel.codes import CODE_ERROR, encode_around
from uninote.neighbours.kernel.exclusions import NOBODY, Exclusions, in_codes
from uninote.neighbours.kernel.join import join_with_all
from uninote.neighbours.kernel.leaves import join_leaves, make_workspace
from uninote.neighbours.kernel.settings import list_length
from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.vector_ir import compiled
from uninote.neighbours.results.lists import Pairs
from uninote.neighbours.results.progress import Watch, came_to, ignore
from uninote.neighbours.update.blocks import FAR_ROWS, NEAR_ROWS, Hits, JoinState, blocks_of, join_blocks

# Changed rows of one group that can be joined with each other at once.
MOST_TOGETHER = FAR_ROWS
# Codes may be centred anywhere: any centre among the rows will do.
_MEAN_ROWS = 8192
# Blocks of so many rows between two reports: a quarter of a second, or four where the CPU lacks VNNI.
_BLOCKS = 100
_FIRST_ROOM = 2 * NEAR_ROWS * FAR_ROWS


class ChangedRows(NamedTuple):
    """Rows of which the first `changed` are new or differ: `vectors` float32 (n, width), of about unit length.

    `limits`, float32 (n,), are the scores that a pair must exceed to be of use to an unchanged row, -inf for any. `excluded`
    pairs are of no use to anyone.
    """

    vectors: np.ndarray
    changed: int
    limits: np.ndarray
    excluded: Exclusions = NOBODY


class ChangedJoin:
    """A join of the changed ones of some rows with all of them, step by step; lists have `k` entries."""

    def __init__(self, rows: ChangedRows, k: int) -> None:
        vectors = np.ascontiguousarray(rows.vectors, dtype=np.float32)
        changed = rows.changed
        limits = rows.limits
        self.vectors = vectors
        self.changed = changed
        self.k = k
        self._limits = limits
        some = vectors[:: len(vectors) // _MEAN_ROWS + 1]
        self.mean = some.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.codes = encode_around(vectors, self.mean)
        excluded = in_codes(rows.excluded, self.mean, vectors)
        self.candidates = empty_candidates(len(vectors), changed, list_length(k), excluded=excluded)
        # Codes leave out <m, m>, and are rough: so much lower a limit loses nobody who should pass.
        self._shift = -np.float32(self.mean @ self.mean) - np.float32(CODE_ERROR)
        np.add(limits[changed:], self._shift, out=self.candidates.limits[changed:])
        width = self.codes.rows.shape[1]
        self._near = make_workspace(NEAR_ROWS, width)
        self._far = make_workspace(FAR_ROWS, width)
        self._hits = Hits(np.empty(_FIRST_ROOM, np.int64), np.zeros(1, np.int64))

    def join_changed_groups(self, changed: Groups) -> None:
        """Join the changed rows of each group, at most MOST_TOGETHER, with each other."""
        join_leaves(self._far, self.codes, self.candidates, changed.starts, changed.rows)

    def join_changed(self, some: np.ndarray) -> None:
        """Join the changed rows `some`, int32, with all changed rows."""
        among = self.codes._replace(squares=self.codes.squares[: self.changed])
        join_with_all(self._far, among, self.candidates, some)

    def join_all(self, some: np.ndarray) -> None:
        """Join the changed rows `some`, int32, with all rows."""
        others = np.arange(self.changed, len(self.vectors), dtype=np.int32)
        self.join_groups(_one_group(some), _one_group(others), came_to)
        self.join_changed(some)

    def join(self, some: np.ndarray, others: np.ndarray) -> None:
        """Join the changed rows `some`, int32, with the `others`, int32, of those that did not change."""
        self.join_groups(_one_group(some), _one_group(others))

    def join_groups(self, changed: Groups, others: Groups, report: Watch = ignore) -> None:
        """Join the changed rows of each group with the others of the same group; `report` gets the share that is done."""
        blocks = blocks_of(changed.starts, others.starts)
        done = 0
        while done < len(blocks):
            report(done / len(blocks))
            state = JoinState(self._near, self._far, self.codes, self.candidates, self._hits)
            last = min(done + _BLOCKS, len(blocks))
            done = join_blocks(state, changed.rows, others.rows, blocks[:last], done)
            if done < last:
                self._make_room()

    def take_hits(self) -> Pairs:
        """Return what the other rows gain: of each, its best `k` pairs whose exact score exceeds its limit."""
        pairs = self._hits.pairs[: self._hits.filled[0]]
        pairs.sort()
        found = _rank_pairs(self.vectors, pairs, self._limits, self.k)
        # What counts stays for later, as what is found by then must be ranked with it.
        self._hits.filled[0] = len(found.owners)
        np.bitwise_or(found.owners.astype(np.int64) << 32, found.others, out=pairs[: len(found.owners)])
        return found

    def _make_room(self) -> None:
        """Drop what is of no use from the hits, raise the limits of rows that have enough, and double a full array."""
        found = self.take_hits()
        last = self.k - 1
        full = np.flatnonzero(found.owners[last:] == found.owners[: max(0, len(found.owners) - last)])
        self.candidates.limits[found.owners[full]] = found.scores[full + last] + self._shift
        if 2 * len(found.owners) + _FIRST_ROOM > len(self._hits.pairs):
            more = np.empty(2 * len(self._hits.pairs), np.int64)
            more[: len(found.owners)] = self._hits.pairs[: len(found.owners)]
            self._hits = Hits(more, self._hits.filled)


def _one_group(rows: np.ndarray) -> Groups:
    return Groups(np.array([0, len(rows)]), rows)


@compiled
def _rank_pairs(vectors: np.ndarray, pairs: np.ndarray, limits: np.ndarray, k: int) -> Pairs:
    """Score sorted `pairs` of `Hits` by the vectors; return each row's best `k` that exceed its limit."""
    owners = np.empty(len(pairs), dtype=np.int32)
    others = np.empty(len(pairs), dtype=np.int32)
    scores = np.empty(len(pairs), dtype=np.float32)
    best = np.empty(k, dtype=np.int64)
    filled = 0
    count = 0
    for place in range(len(pairs)):
        row = pairs[place] >> 32
        changed = pairs[place] & 0xFFFFFFFF
        if place == 0 or pairs[place] != pairs[place - 1]:
            # -0.0 + 0 is 0.0: the two are equal scores, and must have equal bits.
            score = dot_rows(vectors, row, changed) + np.float32(0)
            if score > limits[row]:
                count = insert_sorted(best, count, pack_key(score, changed))
        if place == len(pairs) - 1 or pairs[place + 1] >> 32 != row:
            for slot in range(count):
                owners[filled] = row
                others[filled] = key_position(best[slot])
                scores[filled] = key_score(best[slot])
                filled += 1
            count = 0
    return Pairs(owners[:filled], others[:filled], scores[:filled])
