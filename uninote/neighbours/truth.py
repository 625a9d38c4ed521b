"""The slow truth that recall is held to: every row of a corpus scored against a few queries, in float64 where it matters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from uninote.neighbours.kernel.simd.vector_ir import compiled, summing_borrowed

_BLOCK_ROWS = 1024  # with a few hundred queries the block's scores stay in a core's cache
_ROUGHLY = 1e-4  # by so much, in parts of the largest product there can be, float32 may be off

Batches = Iterator[tuple[np.ndarray, np.ndarray]]


class ExactSearch:
    """The best `k` rows of a corpus for each of `queries`, float32 (m, width); `own` int64 (m,): their keys, no neighbours.

    Products in float32 tell which pairs may count; those are computed in float64: this is the truth that others are measured
    by. Pairs with `most` or more do not count.
    """

    def __init__(self, queries: np.ndarray, own: np.ndarray, k: int, most: float = np.inf) -> None:
        self._queries, self._own, self._most = np.ascontiguousarray(queries, np.float32), own, most
        self._longest = np.linalg.norm(self._queries, axis=1).max(initial=0)
        self._keys, self._scores = np.full((len(own), k), -1, np.int64), np.full((len(own), k), -np.inf)

    def offer(self, keys: np.ndarray, vectors: np.ndarray, barred: np.ndarray | None = None) -> None:
        """Look through rows, `keys` int64 (b,) and `vectors` (b, width); pairs that are `barred`, bool (m, b), do not count."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            rough = self._queries @ vectors[part].T
            if barred is not None:
                rough[barred[:, part]] = -np.inf
            margin = _ROUGHLY * self._longest * np.linalg.norm(vectors[part], axis=1).max()
            asked = self._queries, self._own, np.float64(self._most)
            _keep_best((keys[part], vectors[part], rough), asked, (self._keys, self._scores), np.float64(margin))

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (keys int64, scores float32), (m, k): best first, equal ones by key; -1 and -inf where there are fewer."""
        return self._keys, self._scores.astype(np.float32)


def exact_topk(queries: np.ndarray, batches: Batches, k: int, exclude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what an ExactSearch finds in a corpus that comes in `batches` (keys, vectors); one at a time is held."""
    search = ExactSearch(queries, exclude, k)
    for keys, vectors in batches:
        search.offer(keys, vectors)
    return search.found()


@compiled
def _keep_best(
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
    asked: tuple[np.ndarray, np.ndarray, float],
    best: tuple[np.ndarray, np.ndarray],
    margin: float,
) -> None:
    """Insert into `best`, (keys, scores), what is `found`, (keys, vectors, rough scores), for (vectors, keys, most)."""
    (row_keys, rows, rough), (queries, own, most), (keys, scores) = found, asked, best
    last = keys.shape[1] - 1
    for query in range(len(queries)):
        limit = np.float32(scores[query, last] - margin)
        for row in range(len(rows)):
            if rough[query, row] < limit or rough[query, row] == -np.inf or row_keys[row] == own[query]:
                continue
            score, slot = _product(queries, query, rows, row), last + 1
            while (
                score < most
                and slot > 0
                and _follows(keys[query, slot - 1], scores[query, slot - 1], row_keys[row], score)
            ):
                slot -= 1
                if slot < last:
                    keys[query, slot + 1], scores[query, slot + 1] = keys[query, slot], scores[query, slot]
            if slot <= last:
                keys[query, slot], scores[query, slot] = row_keys[row], score
                limit = np.float32(scores[query, last] - margin)


@compiled
def _follows(key: int, score: float, new_key: int, new_score: float) -> bool:
    """Say whether an entry comes after a new one; -1 is a free slot."""
    return bool(key < 0 or score < new_score or (score == new_score and key > new_key))


@summing_borrowed
def _product(left: np.ndarray, i: int, right: np.ndarray, j: int) -> float:
    total = 0.0
    for place in range(left.shape[1]):
        total += np.float64(left[i, place]) * np.float64(right[j, place])
    return total


def known_scores(keys: np.ndarray, truth: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return float32 (m, any): the scores of `keys`, int64 (m, any), that `exact_topk` told of the same rows; else -inf."""
    same = (keys[:, :, None] == truth[0][:, None, :]) & (keys >= 0)[:, :, None]
    scores: np.ndarray = np.where(same, truth[1][:, None, :], np.float32(-np.inf)).max(axis=2, initial=-np.inf)
    return scores


def exact_scores(queries: np.ndarray, batches: Batches, keys: np.ndarray) -> np.ndarray:
    """Return float32 (m, k): each query's inner product with the corpus rows that `keys` (m, k) names.

    -inf where the key is -1 or in no batch, so that a neighbour from nowhere never counts as a hit.
    """
    scores = np.full(keys.shape, -np.inf, dtype=np.float32)
    wide = queries.astype(np.float64)
    for batch_keys, vectors in batches:
        rows, slots, places = _occurrences(keys, batch_keys)
        scores[rows, slots] = np.einsum("ij,ij->i", wide[rows], vectors[places].astype(np.float64))
    return scores


def _occurrences(keys: np.ndarray, batch_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows, slots, places) such that keys[rows, slots] == batch_keys[places]."""
    order = np.argsort(batch_keys)
    rows, slots = np.nonzero(np.isin(keys, batch_keys) & (keys >= 0))
    return rows, slots, order[np.searchsorted(batch_keys, keys[rows, slots], sorter=order)]
