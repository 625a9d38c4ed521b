"""The slow truth that recall is held to: every row of a corpus scored against some queries, in float64 where it matters.

Codes of one byte a number, the join's own, say which pairs may count: a bound on what a code leaves out of its row makes an
upper bound of each score, and pairs whose bound reaches a list are computed in float64. So nothing is missed, in two fifths of
the time that products in float32 took.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from uninote.neighbours.by_rule.rules import ANYONE, Pairing
from uninote.neighbours.kernel.codes import Codes, encode_around
from uninote.neighbours.kernel.leaves import Coded, Workspace, gather, make_workspace, pack, score_rows
from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS, TILE_ROWS
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled, summing, summing_borrowed
from uninote.neighbours.results.lists import Lists

_BLOCK_ROWS = 2016  # whose codes stay in a core's own cache
_CENTRE_ROWS = 8192  # any centre near the rows will do
# By so much, in parts of the largest product there can be, float32 arithmetic may be off.
_ROUNDING = 1e-5

Batches = Iterator[tuple[np.ndarray, np.ndarray]]


class _Queries(NamedTuple):
    """What is asked for: `vectors` float32 (m, width), their own `keys` int64 (m,), and the score from which none counts.

    `codes` are around a centre, whose product with itself, `shift`, their scores leave out; `meta[2]` has the scores to exceed.
    """

    vectors: np.ndarray
    keys: np.ndarray
    most: float
    codes: Codes
    shift: float


class _Block(NamedTuple):
    """Some rows of the corpus: `keys` int64 (b,), `vectors` float32 (b, width), `codes` whose bias makes bounds of scores."""

    keys: np.ndarray
    vectors: np.ndarray
    codes: Codes


class ExactSearch:
    """The best `k` rows of a corpus for each of `queries`, float32 (m, width); `own` int64 (m,): their keys, no neighbours.

    Scores are computed in float64: this is the truth that others are measured by. Pairs with a score of `most` or more do not
    count.
    """

    def __init__(self, queries: np.ndarray, own: np.ndarray, k: int, most: float = np.inf) -> None:
        self._vectors = np.require(queries, np.float32, ["C", "W"])
        self._own = np.require(own, np.int64, ["C", "W"])
        self._most = np.float64(most)
        self._best = Lists(np.full((len(own), k), -1, np.int64), np.full((len(own), k), -np.inf))
        self._bounds: _Bounds | None = None

    def offer(self, keys: np.ndarray, vectors: np.ndarray, pairing: Pairing = ANYONE) -> None:
        """Look through rows, `keys` int64 (b,) and `vectors` (b, width); only pairs that `pairing` allows count."""
        if not len(keys) or not len(self._own):
            return
        vectors = np.require(vectors, np.float32, ["C", "W"])
        keys = np.require(keys, np.int64, ["C", "W"])
        if self._bounds is None:
            self._bounds = _Bounds(self._vectors, vectors)
        bounds = self._bounds
        queries = _Queries(self._vectors, self._own, self._most, bounds.codes, bounds.shift)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            block = _Block(keys[part], vectors[part], bounds.of(vectors[part]))
            _insert_best(bounds.workspace, block, queries, pairing.rows_of(part), self._best)

    def found(self) -> Lists:
        """Return lists of `k`, ids int64, which are keys, and scores float32."""
        return Lists(self._best.ids, self._best.scores.astype(np.float32))


class _Bounds:
    """Codes of queries and of rows around one centre, and what their scores may leave out of true ones.

    Around the centre <x, y> = <qx + ex, qy + ey>, of codes and errors, is at most <qx, qy> + |ex| |y| + |x| |ey| + |ex| |ey|.
    """

    def __init__(self, queries: np.ndarray, rows: np.ndarray) -> None:
        self._centre = rows[:_CENTRE_ROWS].mean(axis=0, dtype=np.float64).astype(np.float32)
        wide = self._centre.astype(np.float64)
        self.shift = np.float64(wide @ wide)
        self.codes = encode_around(queries, self._centre)
        self.codes.meta[2, : len(queries)] = -np.inf
        self.workspace = make_workspace(_BLOCK_ROWS, self.codes.rows.shape[1])
        self._error = float(np.sqrt(_squared_errors(queries, self._centre, self.codes)).max())
        self._length = float(np.sqrt(self.codes.squares).max())
        self._longest = float(np.sqrt(self.codes.lengths).max())

    def of(self, rows: np.ndarray) -> Codes:
        """Return codes of some rows whose scores with the queries' are no less than the true ones."""
        codes = encode_around(rows, self._centre)
        errors = np.sqrt(_squared_errors(rows, self._centre, codes))
        bound = self._error * np.sqrt(codes.squares) + (self._length + self._error) * errors
        bound += _ROUNDING * (1 + self._longest) * (1 + np.sqrt(codes.lengths))
        codes.meta[1, : len(rows)] += bound.astype(np.float32)
        return codes


def exact_topk(queries: np.ndarray, batches: Batches, k: int, exclude: np.ndarray) -> Lists:
    """Return what an ExactSearch finds in a corpus that comes in `batches` (keys, vectors); one at a time is held."""
    search = ExactSearch(queries, exclude, k)
    for keys, vectors in batches:
        search.offer(keys, vectors)
    return search.found()


@summing
def _squared_errors(vectors: np.ndarray, centre: np.ndarray, codes: Codes) -> np.ndarray:
    """Return float32 (n,): the squared length of what each code leaves out of its row, around the centre."""
    errors = np.empty(vectors.shape[0], dtype=np.float32)
    for i in range(vectors.shape[0]):
        scale = codes.meta[0, i]
        total = np.float32(0)
        for j in range(vectors.shape[1]):
            left = vectors[i, j] - centre[j] - scale * np.float32(codes.rows[i, j])
            total += left * left
        errors[i] = total
    return errors


@compiled
def _insert_best(workspace: Workspace, block: _Block, queries: _Queries, pairing: Pairing, best: Lists) -> None:
    """Insert into `best` what of a block belongs there; its scores are float64, which no packed key could hold."""
    last = best.ids.shape[1] - 1
    count = len(block.keys)
    mine = Coded(queries.codes.rows, queries.codes.sums, queries.codes.meta)
    limits = queries.codes.meta[2]
    gather(workspace, block.codes, block.codes.meta[0], np.arange(count, dtype=np.int32), count)
    pack(workspace, count)
    workspace.meta[2] = np.inf  # rows of the corpus take no hits
    for group in range((count + TILE_COLUMNS - 1) // TILE_COLUMNS):
        for first in range(0, len(queries.keys), TILE_ROWS):
            for hit in range(score_rows(workspace, mine, first, group)):
                place = np.int64(workspace.hits[hit])
                query = first + int(place >> 5)
                row = group * TILE_COLUMNS + int(place & 31)
                # The limit may have risen since the tile was scored.
                if workspace.scores[place >> 5, place & 31] <= limits[query] or block.keys[row] == queries.keys[query]:
                    continue
                if not _may_be(pairing, query, row):
                    continue
                score = _product(queries.vectors, query, block.vectors, row)
                if score < queries.most:
                    _insert(best, query, block.keys[row], score)
                    limits[query] = np.float32(best.scores[query, last] - queries.shift)


@borrowing
def _may_be(pairing: Pairing, query: int, row: int) -> bool:
    """Say whether a row may be a neighbour of a query."""
    if len(pairing.is_neighbour) > 0 and not pairing.is_neighbour[row]:
        return False
    for place in range(pairing.same.shape[0]):
        own = pairing.same[place, query]
        if own < 0 or own != pairing.same_of_rows[place, row]:
            return False
    for place in range(pairing.different.shape[0]):
        own = pairing.different[place, query]
        if own >= 0 and own == pairing.different_of_rows[place, row]:
            return False
    return True


@borrowing
def _insert(best: Lists, query: int, key: int, score: float) -> None:
    """Insert an entry into one list, best first, equal scores by key, unless all that are there come before it."""
    keys = best.ids
    scores = best.scores
    slot = keys.shape[1]
    while slot > 0 and _comes_after(keys[query, slot - 1], scores[query, slot - 1], key, score):
        slot -= 1
        if slot + 1 < keys.shape[1]:
            keys[query, slot + 1] = keys[query, slot]
            scores[query, slot + 1] = scores[query, slot]
    if slot < keys.shape[1]:
        keys[query, slot] = key
        scores[query, slot] = score


@borrowing
def _comes_after(key: int, score: float, new_key: int, new_score: float) -> bool:
    """Say whether an entry comes after a new one; -1 is a free slot."""
    return bool(key < 0 or score < new_score or (score == new_score and key > new_key))


@summing_borrowed
def _product(left: np.ndarray, i: int, right: np.ndarray, j: int) -> float:
    total = 0.0
    for place in range(left.shape[1]):
        total += np.float64(left[i, place]) * np.float64(right[j, place])
    return total
