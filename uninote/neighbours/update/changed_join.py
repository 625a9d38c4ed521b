"""The changed rows meet many others: changed ones have lists, of the others only the pairs are noted that may enter theirs.

There may be a million others, of which few gain anything; so there are no lists for them, but one flat array of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.assignments import Groups
from uninote.neighbours.kernel.candidates import (
    Candidates,
    empty_candidates,
    insert_sorted,
    key_position,
    key_score,
    offer,
    pack_key,
)
from uninote.neighbours.kernel.codes import CODE_ERROR, Codes, encode_around
from uninote.neighbours.kernel.exclusions import NOBODY, Exclusions, in_codes, may_meet
from uninote.neighbours.kernel.join import join_with_all
from uninote.neighbours.kernel.leaves import Coded, Workspace, gather, join_leaves, make_workspace, pack, score_rows
from uninote.neighbours.kernel.settings import list_length
from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_PLACES, TILE_ROWS
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled
from uninote.neighbours.results.lists import Pairs
from uninote.neighbours.results.progress import Watch, came_to, ignore

# How many rows of either side meet at once: multiples of a tile, that fit into a core's own cache together.
_NEAR_ROWS = 480
_FAR_ROWS = 2016
# Changed rows of one group that can be joined with each other at once.
MOST_TOGETHER = _FAR_ROWS
# Codes may be centred anywhere: any centre among the rows will do.
_MEAN_ROWS = 8192
# Blocks of so many rows between two reports: a quarter of a second, or four where the CPU lacks VNNI.
_BLOCKS = 100
_FIRST_ROOM = 2 * _NEAR_ROWS * _FAR_ROWS


class Hits(NamedTuple):
    """What changed rows are to others: the first `filled`, int64 (1,), of `pairs` int64 (room,), row << 32 | changed row.

    In no order, maybe more than once.
    """

    pairs: np.ndarray
    filled: np.ndarray


class _State(NamedTuple):
    """What the compiled loops read and write: changed rows are laid out in `near`, others as columns in `far`."""

    near: Workspace
    far: Workspace
    codes: Codes
    candidates: Candidates
    hits: Hits


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
        self._near = make_workspace(_NEAR_ROWS, width)
        self._far = make_workspace(_FAR_ROWS, width)
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
        blocks = _blocks_of(changed.starts, others.starts)
        done = 0
        while done < len(blocks):
            report(done / len(blocks))
            state = _State(self._near, self._far, self.codes, self.candidates, self._hits)
            last = min(done + _BLOCKS, len(blocks))
            done = _join_blocks(state, changed.rows, others.rows, blocks[:last], done)
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
def _blocks_of(changed: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return int64 (blocks, 4): from and to among changed rows, from and to among others, of groups cut to fit workspaces.

    Both arguments are the starts of the groups. Blocks of the same others stand together: those are packed once.
    """
    count = 0
    for group in range(len(changed) - 1):
        near = changed[group + 1] - changed[group]
        far = others[group + 1] - others[group]
        count += -(-near // _NEAR_ROWS) * -(-far // _FAR_ROWS)
    blocks = np.empty((count, 4), dtype=np.int64)
    block = 0
    for group in range(len(changed) - 1):
        for far in range(others[group], others[group + 1], _FAR_ROWS):
            for near in range(changed[group], changed[group + 1], _NEAR_ROWS):
                blocks[block, 0] = near
                blocks[block, 1] = min(near + _NEAR_ROWS, changed[group + 1])
                blocks[block, 2] = far
                blocks[block, 3] = min(far + _FAR_ROWS, others[group + 1])
                block += 1
    return blocks


@compiled
def _join_blocks(state: _State, changed: np.ndarray, others: np.ndarray, blocks: np.ndarray, first: int) -> int:
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
def _join_gathered(state: _State, mine: np.ndarray, theirs: np.ndarray) -> None:
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
