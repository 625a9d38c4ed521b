"""The best K of each row, kept as one sortable int64 an entry: the score in the high half, the position in the low one.

Integers sort in one vectorised pass, and equal scores fall in order of position by themselves.
"""

from __future__ import annotations

import numpy as np

_LOW = np.int64(0xFFFFFFFF)
_MAGNITUDE = np.int32(0x7FFFFFFF)
MAX_ROWS = int(_LOW)


def empty_ranking(rows: int, k: int) -> np.ndarray:
    """Return int64 (rows, k) of free slots, which are entries of score -inf."""
    free = pack(np.full(1, -np.inf, dtype=np.float32), np.full(1, _LOW))
    return np.full((rows, k), free[0])


def pack(scores: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return int64 that sort by score, then by falling position: float32 scores, positions below MAX_ROWS."""
    bits = (scores + np.float32(0)).view(np.int32)  # -0.0 + 0 is 0.0: the two must tie
    ordered = bits ^ ((bits >> 31) & _MAGNITUDE)
    return (ordered.astype(np.int64) << 32) | (_LOW - positions)


def unpack(ranking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (positions int64, scores float32) of packed entries; a free slot gives -1 and -inf."""
    ordered = (ranking >> 32).astype(np.int32)
    scores = (ordered ^ ((ordered >> 31) & _MAGNITUDE)).view(np.float32)
    return np.where(np.isneginf(scores), -1, _LOW - (ranking & _LOW)), scores


def thresholds(ranking: np.ndarray) -> np.ndarray:
    """Return float32 (rows,): the score that a further entry must exceed, -inf while a slot is free."""
    return unpack(ranking[:, -1])[1]


def insert(ranking: np.ndarray, rows: np.ndarray, entries: np.ndarray) -> None:
    """Merge packed `entries`, one for each of the ascending `rows`, into `ranking`, in place, best first."""
    counts = np.bincount(rows, minlength=len(ranking))
    first = np.cumsum(counts) - counts
    waiting = empty_ranking(len(ranking), int(counts.max(initial=0)))
    waiting[rows, np.arange(len(rows)) - first[rows]] = entries
    insert_dense(ranking, waiting)


def insert_dense(ranking: np.ndarray, entries: np.ndarray) -> None:
    """Merge packed `entries` (rows, any) into `ranking` (rows, k), in place, best first."""
    k = ranking.shape[1]
    if entries.shape[1] > 2 * k:  # a assignment pays only where most is thrown away
        entries = np.partition(entries, -k, axis=1)[:, -k:]
    ranking[:] = np.sort(np.concatenate([ranking, entries], axis=1), axis=1)[:, : -k - 1 : -1]
