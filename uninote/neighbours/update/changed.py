"""The pairs that a few changed rows make with all others: their own neighbours, and whose lists they enter."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.approximate import rank_again
from uninote.neighbours.kernel.candidates import empty_lists
from uninote.neighbours.kernel.codes import CODE_ERROR, encode
from uninote.neighbours.kernel.join import join_with_all
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.settings import list_length
from uninote.neighbours.kernel.simd.tiles import HAS_VNNI

_WORKSPACE_ROWS = 4096


def join_changed(vectors: np.ndarray, changed: int, k: int, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids int32 (n, k), scores float32 (n, k)) of all pairs with one of the first `changed` rows; -1, -inf fill.

    `vectors` is float32 (n, width) of about unit length. A row keeps its best `k` whose score exceeds its own of `limits`,
    float32 (n,), -inf for any. Best first, equal scores by id; never the row itself.
    """
    count = len(vectors)
    if changed == 0 or count < 2:
        return np.full((count, k), -1, np.int32), np.full((count, k), -np.inf, np.float32)
    codes = encode(vectors)
    mean = vectors.mean(axis=0, dtype=np.float64)
    coded = (limits - np.float32(mean @ mean) - np.float32(CODE_ERROR)).astype(np.float32)
    lists = empty_lists(count, count, list_length(2 * k), coded)
    workspace = make_workspace(min(_WORKSPACE_ROWS, max(2 * changed, count)), codes.rows.shape[1], HAS_VNNI)
    join_with_all(workspace, codes, lists, np.arange(changed, dtype=np.int32))
    ids, scores = rank_again(vectors, np.arange(count), lists.keys, k)
    low = scores <= limits[:, None]
    ids[low], scores[low] = -1, -np.inf
    return ids, scores
