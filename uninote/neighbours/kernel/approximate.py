"""Approximate neighbours: the best K of each row of one array in memory, one thread, no Spark.

Rows are coded in int8 and scored in small groups by one instruction for 64 products. Several assignments, each around
other pivots, give each row most of its neighbours; local joins find more; the candidates that remain are ranked
again by the vectors themselves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.kernel.assignments import Assignment, Recorder
from uninote.neighbours.kernel.candidates import MAX_ROWS, NO_ROW, insert_sorted, key_position, key_score, pack_key
from uninote.neighbours.kernel.codes import MAX_WIDTH, encode_around, mean_of
from uninote.neighbours.kernel.exclusions import NOBODY, Exclusions, in_codes
from uninote.neighbours.kernel.join import join_codes
from uninote.neighbours.kernel.settings import Settings, list_length, settings_for
from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.vector_ir import compiled
from uninote.neighbours.results.lists import Lists, empty_lists


class ApproximateError(UninoteError):
    """The kernel was given something that it cannot rank."""


def top_k(
    vectors: np.ndarray,
    k: int,
    *,
    recall: float = 0.98,
    settings: Settings | None = None,
    seed: int = 0,
    assignments: list[Assignment] | None = None,
    excluded: Exclusions = NOBODY,
) -> Lists:
    """Return (ids int32, scores float32), both (n, min(k, n - 1)): each row's best other rows by inner product.

    `vectors` is float32 or float16 (n, d), n >= 1. Best first, equal scores by id, never the row itself. `recall`
    picks the settings unless they are given. The same for the same input, seed and settings on one kind of CPU.

    To `assignments` the first few that ran are added, for `join_probed`; none where all pairs were scored at once. `excluded`
    pairs are in no list: those may then be shorter than k, and recall is that of the pairs that remain.

    Raises ApproximateError for another dtype or shape, or a k below 1, and CodesError, which names the row, for a NaN or an
    infinity.
    """
    _check(vectors, k)
    rows = _native(vectors)
    mean = mean_of(rows)
    codes = encode_around(rows, mean)
    k = min(k, len(rows) - 1)
    if k == 0:
        return empty_lists(len(rows), 0)
    chosen = settings or settings_for(len(rows), k, recall)
    if chosen.depth != k:
        chosen = replace(chosen, length=max(chosen.length, list_length(k)), depth=k)
    recorder = None if assignments is None else Recorder(mean, assignments)
    order, candidates = join_codes(codes, chosen, seed, recorder, in_codes(excluded, mean, vectors))
    return rank_again(vectors, order, candidates.keys, k)


def rank_again(vectors: np.ndarray, order: np.ndarray, keys: np.ndarray, k: int) -> Lists:
    """Return lists of `k`, ids int32 and scores float32: candidates ranked by the products of the vectors themselves.

    `vectors` is float32 or float16 (n, d); `order` and `keys` are what `join_codes` returned for their codes. -1 and
    -inf where a list has fewer than k candidates.
    """
    lists = empty_lists(len(keys), k)
    _rank_again(_native(vectors), order, keys, lists.ids, lists.scores)
    return lists


@compiled
def _rank_again(vectors: np.ndarray, order: np.ndarray, keys: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> None:
    best = np.empty(keys.shape[1], dtype=np.int64)
    for row in range(len(keys)):
        count = 0
        own = order[row]
        for slot in range(keys.shape[1]):
            position = key_position(keys[row, slot])
            if position == NO_ROW:
                break
            other = order[position]
            # -0.0 + 0 is 0.0: the two are equal scores, and must have equal bits.
            score = dot_rows(vectors, own, other) + np.float32(0)
            count = insert_sorted(best, count, pack_key(score, other))
        for slot in range(min(count, ids.shape[1])):
            ids[own, slot] = key_position(best[slot])
            scores[own, slot] = key_score(best[slot])


def _check(vectors: np.ndarray, k: int) -> None:
    rows, width = vectors.shape if vectors.ndim == 2 else (0, 0)
    typed = vectors.dtype in (np.float32, np.float16)
    if not typed or not 1 <= rows <= MAX_ROWS or not 1 <= width <= MAX_WIDTH:
        raise ApproximateError(
            f"vectors are {vectors.dtype} {vectors.shape}; they must be float32 or float16 (rows, width), "
            f"1 to {MAX_ROWS} rows of width 1 to {MAX_WIDTH}"
        )
    if k < 1:
        raise ApproximateError(f"k is {k}; it must be at least 1")


def _native(vectors: np.ndarray) -> np.ndarray:
    """Return rows side by side, native float32, or float16 as uint16: numba has no float16."""
    rows = np.ascontiguousarray(vectors, dtype=vectors.dtype.newbyteorder("="))
    return rows.view(np.uint16) if rows.dtype == np.float16 else rows
