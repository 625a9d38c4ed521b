"""A few rows, the members, meet many others: members keep lists, the others only note whom they would list.

There may be a million others, of which few gain anything; so there are no lists for them, but one flat array of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.candidates import (
    Lists,
    empty_lists,
    insert_sorted,
    key_position,
    key_score,
    offer,
    pack_key,
)
from uninote.neighbours.kernel.codes import CODE_ERROR, Codes, encode_around
from uninote.neighbours.kernel.join import join_with_all
from uninote.neighbours.kernel.leaves import Workspace, gather, make_workspace, pack, score_rows
from uninote.neighbours.kernel.pivots import Groups
from uninote.neighbours.kernel.settings import list_length
from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.tiles import HAS_VNNI, TILE_COLUMNS, TILE_PLACES, TILE_ROWS
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

_NEAR_ROWS, _FAR_ROWS = 480, 2016  # that meet at once: multiples of whole tiles, in a core's own cache
_MEAN_ROWS = 8192  # any centre among the rows will do
_FIRST_ROOM = 2 * _NEAR_ROWS * _FAR_ROWS


class Pairs(NamedTuple):
    """Neighbours found: `owners` and `others` int32, rows; `scores` float32. By owner, best first, then by other."""

    owners: np.ndarray
    others: np.ndarray
    scores: np.ndarray


class Hits(NamedTuple):
    """What members are to others: the first `filled`, int64 (1,), of `pairs` int64 (room,), row << 32 | member.

    In no order, maybe more than once.
    """

    pairs: np.ndarray
    filled: np.ndarray


class Meeting:
    """The state of a join of the first `members` of `vectors`, float32 of about unit length, with the others.

    `limits` float32 (n,): the score that a candidate must exceed to be of use to a row, -inf for any.
    """

    def __init__(self, vectors: np.ndarray, members: int, k: int, limits: np.ndarray) -> None:
        self.vectors, self.members, self.k, self.limits = vectors, members, k, limits
        some = vectors[:: len(vectors) // _MEAN_ROWS + 1]
        self.mean = some.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.codes = encode_around(vectors, self.mean)
        self.lists = empty_lists(len(vectors), members, list_length(k), None)
        self._shift = -np.float32(self.mean @ self.mean) - np.float32(CODE_ERROR)
        np.add(limits[members:], self._shift, out=self.lists.limits[members:])
        self._near, self.workspace = (
            make_workspace(rows, self.codes.rows.shape[1], HAS_VNNI) for rows in (_NEAR_ROWS, _FAR_ROWS)
        )
        self._hits = Hits(np.empty(_FIRST_ROOM, np.int64), np.zeros(1, np.int64))

    def join_members(self, some: np.ndarray) -> None:
        """Join the members `some`, int32, with all members."""
        among = self.codes._replace(squares=self.codes.squares[: self.members])
        join_with_all(self.workspace, among, self.lists, some)

    def join_all(self, some: np.ndarray) -> None:
        """Join the members `some`, int32, with all rows."""
        self.join(some, np.arange(self.members, len(self.vectors), dtype=np.int32))
        self.join_members(some)

    def join(self, some: np.ndarray, rows: np.ndarray) -> None:
        """Join the members `some`, int32, with the other `rows`, int32."""
        self.join_groups(Groups(np.array([0, len(some)]), some), Groups(np.array([0, len(rows)]), rows))

    def join_groups(self, members: Groups, rows: Groups) -> None:
        """Join the members of each group with the other rows of the same group."""
        parts = _parts_of(members.starts, rows.starts)
        part = 0
        while part < len(parts):
            seats = self._near, self.workspace
            part = _join_parts(seats, self.codes, self.lists, self._hits, (members.rows, rows.rows), parts, part)
            if part < len(parts):
                self._make_room()

    def take_hits(self) -> Pairs:
        """Return what the other rows gain: of each, its best `k` pairs whose exact score exceeds its limit."""
        pairs = self._hits.pairs[: self._hits.filled[0]]
        pairs.sort()
        found = _rank_pairs(self.vectors, pairs, self.limits, self.k)
        self._hits.filled[0] = len(found.owners)
        np.bitwise_or(found.owners.astype(np.int64) << 32, found.others, out=pairs[: len(found.owners)])
        return found

    def _make_room(self) -> None:
        """Drop what is of no use from the hits, raise the limits of rows that have enough, and double a full array."""
        found, last = self.take_hits(), self.k - 1
        full = np.flatnonzero(found.owners[last:] == found.owners[: max(0, len(found.owners) - last)])
        self.lists.limits[found.owners[full]] = found.scores[full + last] + self._shift
        if 2 * len(found.owners) + _FIRST_ROOM > len(self._hits.pairs):
            more = np.empty(2 * len(self._hits.pairs), np.int64)
            more[: len(found.owners)] = self._hits.pairs[: len(found.owners)]
            self._hits = Hits(more, self._hits.filled)


@compiled
def _parts_of(members: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return int64 (parts, 4): from and to among members, from and to among rows, of groups cut to fit the workspaces."""
    count = 0
    for group in range(len(members) - 1):
        few, many = members[group + 1] - members[group], rows[group + 1] - rows[group]
        count += -(-few // _NEAR_ROWS) * -(-many // _FAR_ROWS)
    parts, part = np.empty((count, 4), dtype=np.int64), 0
    for group in range(len(members) - 1):
        for many in range(rows[group], rows[group + 1], _FAR_ROWS):
            for few in range(members[group], members[group + 1], _NEAR_ROWS):
                parts[part, 0], parts[part, 1] = few, min(few + _NEAR_ROWS, members[group + 1])
                parts[part, 2], parts[part, 3] = many, min(many + _FAR_ROWS, rows[group + 1])
                part += 1
    return parts


@compiled
def _join_parts(
    seats: tuple[Workspace, Workspace],
    codes: Codes,
    lists: Lists,
    hits: Hits,
    rows: tuple[np.ndarray, np.ndarray],
    parts: np.ndarray,
    first: int,
) -> int:
    """Join parts from the first on; return the one for whose hits there may not be room."""
    near, far = seats
    for part in range(first, len(parts)):
        mine, theirs = rows[0][parts[part, 0] : parts[part, 1]], rows[1][parts[part, 2] : parts[part, 3]]
        if hits.filled[0] + len(mine) * len(theirs) > len(hits.pairs):
            return part
        if part == first or parts[part, 2] != parts[part - 1, 2]:
            gather(far, codes, lists.limits, theirs, len(theirs))
            pack(far, len(theirs))
        gather(near, codes, lists.limits, mine, len(mine))
        _join_gathered(seats, lists.keys, hits, mine, theirs)
        for i in range(len(mine)):
            lists.limits[mine[i]] = near.meta[2, i]
    return len(parts)


@borrowing
def _join_gathered(
    seats: tuple[Workspace, Workspace], keys: np.ndarray, hits: Hits, mine: np.ndarray, theirs: np.ndarray
) -> None:
    near, far = seats
    for group in range((len(theirs) + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for row in range(0, len(mine), TILE_ROWS):
            found = score_rows(far, near.codes, near.sums, near.meta, row, group)
            for hit in range(found):
                place = np.int64(far.hits[hit])
                i, j = (place & (TILE_PLACES - 1)) >> 5, place & 31
                member, other = mine[row + i], theirs[group * TILE_COLUMNS + j]
                if place < TILE_PLACES:
                    near.meta[2, row + i] = offer(keys, member, far.scores[i, j], other)
                else:
                    hits.pairs[hits.filled[0]] = (np.int64(other) << 32) | member
                    hits.filled[0] += 1


@compiled
def _rank_pairs(vectors: np.ndarray, pairs: np.ndarray, limits: np.ndarray, k: int) -> Pairs:
    """Score sorted `pairs` of `Hits` by the vectors; keep each row's best `k` that exceed its limit."""
    owners, others = np.empty(len(pairs), dtype=np.int32), np.empty(len(pairs), dtype=np.int32)
    scores, best = np.empty(len(pairs), dtype=np.float32), np.empty(k, dtype=np.int64)
    kept, count = 0, 0
    for place in range(len(pairs)):
        row, member = pairs[place] >> 32, pairs[place] & 0xFFFFFFFF
        if place == 0 or pairs[place] != pairs[place - 1]:
            score = dot_rows(vectors, row, member) + np.float32(0)
            if score > limits[row]:
                count = insert_sorted(best, count, pack_key(score, member))
        if place == len(pairs) - 1 or pairs[place + 1] >> 32 != row:
            for slot in range(count):
                owners[kept], others[kept], scores[kept] = row, key_position(best[slot]), key_score(best[slot])
                kept += 1
            count = 0
    return Pairs(owners[:kept], others[:kept], scores[:kept])
