"""One ranking out of several partial ones."""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError


class MergeError(UninoteError):
    """The partial rankings do not fit together."""


def merge_topk(keys: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64 (m, k), scores (m, k)): of each row of (m, any) the best `k` distinct keys, best first.

    Equal scores fall in order of key; a key that occurs twice keeps its better score. -1 in `keys` is no entry, and
    fills the slots left over, with a score of -inf.
    """
    if keys.shape != scores.shape or keys.ndim != 2:
        raise MergeError(f"keys {keys.shape} and scores {scores.shape} must be two matrices of one shape")
    by_key = np.lexsort((-scores, keys), axis=1)
    keys, scores = np.take_along_axis(keys, by_key, axis=1), np.take_along_axis(scores, by_key, axis=1)
    repeated = np.zeros(keys.shape, dtype=bool)
    repeated[:, 1:] = keys[:, 1:] == keys[:, :-1]
    scores = np.where(repeated | (keys < 0), -np.inf, scores).astype(scores.dtype)
    by_score = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    keys, scores = np.take_along_axis(keys, by_score, axis=1), np.take_along_axis(scores, by_score, axis=1)
    missing = ((0, 0), (0, k - keys.shape[1]))
    keys = np.pad(np.where(np.isneginf(scores), -1, keys), missing, constant_values=-1)
    return keys.astype(np.int64), np.pad(scores, missing, constant_values=-np.inf)
