"""Approximate neighbours: the best K of each row of one array in memory, one thread, no Spark.

Rows are coded in int8 and scored in small groups by one instruction for 64 products. Several assignments, each around
other random rows, give each row most of its neighbours; local joins find more; the candidates that remain are ranked
again by the vectors themselves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.kernel.assignments import Assignment, recorder
from uninote.neighbours.kernel.candidates import MAX_ROWS, NO_ROW, insert_sorted, key_position, key_score, pack_key
from uninote.neighbours.kernel.codes import MAX_WIDTH, encode
from uninote.neighbours.kernel.join import join_codes
from uninote.neighbours.kernel.settings import Settings, list_length, settings_for
from uninote.neighbours.kernel.simd.rows import dot_rows
from uninote.neighbours.kernel.simd.vector_ir import compiled


class ApproximateError(UninoteError):
    """The kernel was given something that it cannot rank."""


def top_k(
    vectors: np.ndarray, k: int, *, recall: float = 0.98, settings: Settings | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids int32, scores float32), both (n, min(k, n - 1)): each row's best other rows by inner product.

    `vectors` is float32 or float16 (n, d), n >= 1. Best first, equal scores by id, never the row itself. `recall`
    picks the settings unless they are given. The same for the same input, seed and settings on one kind of CPU. A NaN
    or an infinity raises an error that names its row.
    """
    held = min(k, max(1, len(vectors) - 1))
    ids, scores = top_k_among(vectors, len(vectors), held, recall=recall, settings=settings, seed=seed)
    return ids[:, : len(vectors) - 1], scores[:, : len(vectors) - 1]


def top_k_among(
    vectors: np.ndarray,
    members: int,
    k: int,
    *,
    recall: float = 0.98,
    settings: Settings | None = None,
    seed: int = 0,
    assignments: list[Assignment] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids int32, scores float32), both (members, k): the first `members` rows' best among all rows.

    The rows after them are visitors: candidates without neighbours of their own; pairs of two visitors cost nothing in
    a leaf. Where there are fewer than k other rows the slots left over hold -1 and -inf. To `assignments` the
    first few that ran are added, for `join_probed`; none where all pairs were scored at once. The rest as for `top_k`.
    """
    _check(vectors, members, k)
    rows = _plain(vectors)
    codes = encode(rows)
    held = min(k, len(rows) - 1)
    if members == 0 or held == 0:
        return _no_neighbours(members, k)
    chosen = settings or settings_for(len(rows), held, recall)
    if chosen.depth != held:
        chosen = replace(chosen, length=max(chosen.length, list_length(held)), depth=held)
    record = None if assignments is None else recorder(vectors, assignments)
    order, lists = join_codes(codes, members, chosen, seed, record=record)
    return rank_again(vectors, order, lists.keys, k)


def rank_again(vectors: np.ndarray, order: np.ndarray, keys: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids int32 (members, k), scores float32): candidates ranked by the products of the vectors themselves.

    `vectors` is float32 or float16 (n, d); `order` and `keys` are what `join_codes` returned for their codes. -1 and
    -inf where a list has fewer than k candidates.
    """
    ids, scores = _no_neighbours(len(keys), k)
    _rank_again(_plain(vectors), order, keys, ids, scores)
    return ids, scores


def _no_neighbours(members: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((members, k), -1, dtype=np.int32), np.full((members, k), -np.inf, dtype=np.float32)


@compiled
def _rank_again(vectors: np.ndarray, order: np.ndarray, keys: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> None:
    best = np.empty(keys.shape[1], dtype=np.int64)
    for row in range(len(keys)):
        count, own = 0, order[row]
        for slot in range(keys.shape[1]):
            position = key_position(keys[row, slot])
            if position == NO_ROW:
                break
            other = order[position]
            count = insert_sorted(best, count, pack_key(dot_rows(vectors, own, other) + np.float32(0), other))
        for slot in range(min(count, ids.shape[1])):
            ids[own, slot], scores[own, slot] = key_position(best[slot]), key_score(best[slot])


def _check(vectors: np.ndarray, members: int, k: int) -> None:
    rows, width = vectors.shape if vectors.ndim == 2 else (0, 0)
    typed = vectors.dtype in (np.float32, np.float16)
    if not typed or not 1 <= rows <= MAX_ROWS or not 1 <= width <= MAX_WIDTH:
        raise ApproximateError(
            f"vectors are {vectors.dtype} {vectors.shape}; they must be float32 or float16 (rows, width), "
            f"1 to {MAX_ROWS} rows of width 1 to {MAX_WIDTH}"
        )
    if k < 1 or not 0 <= members <= rows:
        raise ApproximateError(f"k is {k} and members {members}; k must be at least 1, members 0 to {rows}, the rows")


def _plain(vectors: np.ndarray) -> np.ndarray:
    """Return rows side by side, native float32, or float16 as uint16: numba has no float16."""
    rows = np.ascontiguousarray(vectors, dtype=vectors.dtype.newbyteorder("="))
    return rows.view(np.uint16) if rows.dtype == np.float16 else rows
