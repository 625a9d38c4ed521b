"""The best k of each row, in numpy: one engine for everything that ranks scores which are computed already.

An entry is one sortable int64: the score in the high half, the column, counted down, in the low one. Integers sort in one
vectorised pass, and equal scores fall in order of column by themselves, where `argpartition` of the scores would choose among
them by chance.
"""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError

_LOW = np.int64(0xFFFFFFFF)
_MAGNITUDE = np.int32(0x7FFFFFFF)
MAX_COLUMNS = int(_LOW)


class MergeError(UninoteError):
    """The partial rankings do not fit together."""


def pack(scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return int64 that sort by score, then by falling column: float32 scores, columns below MAX_COLUMNS."""
    # -0.0 + 0 is 0.0: the two are equal scores, and must have equal bits.
    bits = (scores + np.float32(0)).view(np.int32)
    # The bits of floats order as integers do once those of negative ones are flipped.
    ordered = bits ^ ((bits >> 31) & _MAGNITUDE)
    return (ordered.astype(np.int64) << 32) | (_LOW - columns)


def unpack(entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (columns int64, scores float32) of packed entries; one of score -inf gives column -1."""
    ordered = (entries >> 32).astype(np.int32)
    scores = (ordered ^ ((ordered >> 31) & _MAGNITUDE)).view(np.float32)
    return np.where(np.isneginf(scores), -1, _LOW - (entries & _LOW)), scores


def best_entries(entries: np.ndarray, k: int) -> np.ndarray:
    """Return int64 (rows, min(k, any)): the greatest of packed `entries` (rows, any), the greatest first."""
    # Partitioning first pays only where most entries are thrown away: below, sorting all of them takes less.
    if entries.shape[1] > 2 * k:
        entries = np.partition(entries, -k, axis=1)[:, -k:]
    # A slice with a negative step: the last k of the sorted ones, the greatest first.
    return np.asarray(np.sort(entries, axis=1)[:, : -k - 1 : -1])


def best_columns(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (columns int64, scores float32), both (rows, min(k, any)): each row's best `scores`, float32 (rows, any).

    Best first, equal scores in order of column; -1 in place of the column where the score is -inf.
    """
    return unpack(best_entries(pack(scores, np.arange(scores.shape[1])), k))


def merge_topk(keys: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64, scores float32), both (m, k): of each row of (m, any) the best `k` distinct keys, best first.

    Equal scores fall in order of key; a key that occurs twice keeps its better score. -1 in `keys` is no entry, and
    fills the slots left over, with a score of -inf.
    """
    if keys.shape != scores.shape or keys.ndim != 2:
        raise MergeError(f"keys {keys.shape} and scores {scores.shape} must be two matrices of one shape")
    merged_keys = np.full((len(keys), k), -1, dtype=np.int64)
    merged_scores = np.full((len(keys), k), -np.inf, dtype=np.float32)
    # In order of key, equal keys stand side by side, the better score first, and columns order as keys do.
    by_key = np.lexsort((-scores, keys), axis=1)
    keys = np.take_along_axis(keys, by_key, axis=1)
    scores = np.take_along_axis(scores, by_key, axis=1)
    repeated = np.zeros(keys.shape, dtype=bool)
    repeated[:, 1:] = keys[:, 1:] == keys[:, :-1]
    scores = np.where(repeated | (keys < 0), -np.inf, scores).astype(np.float32)
    columns, best = best_columns(scores, k)
    found = best.shape[1]
    merged_keys[:, :found] = np.where(columns < 0, -1, np.take_along_axis(keys, columns, axis=1))
    merged_scores[:, :found] = best
    return merged_keys, merged_scores
