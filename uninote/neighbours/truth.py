"""The slow truth that recall is held to: every row of a corpus scored against some queries, in float64 where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled, summing_borrowed
from uninote.neighbours.lists import Lists

_BLOCK_ROWS = 1024  # with a few hundred queries the block's scores stay in a core's cache
_ROUGHLY = 1e-4  # by so much, in parts of the largest product there can be, float32 may be off

Batches = Iterator[tuple[np.ndarray, np.ndarray]]


class _Queries(NamedTuple):
    """What is asked for: `vectors` float32 (m, width), their own `keys` int64 (m,), and the score from which none counts."""

    vectors: np.ndarray
    keys: np.ndarray
    most: float


class _Block(NamedTuple):
    """Some rows of the corpus: `keys` int64 (b,), `vectors` float32 (b, width), `rough` scores float32 (m, b).

    A rough score is off by less than `margin`; -inf says that a pair does not count.
    """

    keys: np.ndarray
    vectors: np.ndarray
    rough: np.ndarray
    margin: float


class ExactSearch:
    """The best `k` rows of a corpus for each of `queries`, float32 (m, width); `own` int64 (m,): their keys, no neighbours.

    Products in float32 say which pairs may count; those are computed in float64: this is the truth that others are measured
    by. Pairs with a score of `most` or more do not count.
    """

    def __init__(self, queries: np.ndarray, own: np.ndarray, k: int, most: float = np.inf) -> None:
        self._queries = _Queries(np.ascontiguousarray(queries, np.float32), own, np.float64(most))
        self._longest = np.linalg.norm(self._queries.vectors, axis=1).max(initial=0)
        self._best = Lists(np.full((len(own), k), -1, np.int64), np.full((len(own), k), -np.inf))

    def offer(self, keys: np.ndarray, vectors: np.ndarray, allowed: np.ndarray | None = None) -> None:
        """Look through rows, `keys` int64 (b,) and `vectors` (b, width); only pairs that are `allowed`, bool (m, b), count."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            rough = self._queries.vectors @ vectors[part].T
            if allowed is not None:
                rough[~allowed[:, part]] = -np.inf
            margin = _ROUGHLY * self._longest * np.linalg.norm(vectors[part], axis=1).max()
            _insert_best(_Block(keys[part], vectors[part], rough, np.float64(margin)), self._queries, self._best)

    def found(self) -> Lists:
        """Return lists of `k`, ids int64, which are keys, and scores float32."""
        return Lists(self._best.ids, self._best.scores.astype(np.float32))


def exact_topk(queries: np.ndarray, batches: Batches, k: int, exclude: np.ndarray) -> Lists:
    """Return what an ExactSearch finds in a corpus that comes in `batches` (keys, vectors); one at a time is held."""
    search = ExactSearch(queries, exclude, k)
    for keys, vectors in batches:
        search.offer(keys, vectors)
    return search.found()


@compiled
def _insert_best(block: _Block, queries: _Queries, best: Lists) -> None:
    """Insert into `best` what of a block belongs there; its scores are float64, which no packed key could hold."""
    last = best.ids.shape[1] - 1
    for query in range(len(queries.vectors)):
        limit = np.float32(best.scores[query, last] - block.margin)
        for row in range(len(block.vectors)):
            rough = block.rough[query, row]
            # float32 products of a block, made at once, decide for all but a few pairs; float64 ones are made one by one.
            if rough < limit or rough == -np.inf or block.keys[row] == queries.keys[query]:
                continue
            score = _product(queries.vectors, query, block.vectors, row)
            if score < queries.most:
                _insert(best, query, block.keys[row], score)
                limit = np.float32(best.scores[query, last] - block.margin)


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
