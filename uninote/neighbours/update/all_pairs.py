"""All pairs that the changed rows make: their own neighbours, and whose lists they enter."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.approximate import rank_again
from uninote.neighbours.kernel.candidates import empty_candidates
from uninote.neighbours.kernel.codes import CODE_ERROR, encode
from uninote.neighbours.kernel.join import join_with_all
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.settings import list_length
from uninote.neighbours.lists import Lists, empty_lists

_WORKSPACE_ROWS = 4096


def join_changed(vectors: np.ndarray, changed: int, k: int, limits: np.ndarray) -> Lists:
    """Return lists of `k` for all n rows, ids int32 and scores float32, of all pairs with one of the first `changed` rows.

    `vectors` is float32 (n, width) of about unit length. A row has its best `k` whose score exceeds its own of `limits`,
    float32 (n,), -inf for any. An id is a position among the rows, never the row's own.
    """
    count = len(vectors)
    if changed == 0 or count < 2:
        return empty_lists(count, k)
    codes = encode(vectors)
    mean = vectors.mean(axis=0, dtype=np.float64)
    # Codes leave out <m, m>, and are rough: so much lower a limit loses nobody who should pass.
    coded = (limits - np.float32(mean @ mean) - np.float32(CODE_ERROR)).astype(np.float32)
    candidates = empty_candidates(count, count, list_length(2 * k), coded)
    workspace = make_workspace(min(_WORKSPACE_ROWS, max(2 * changed, count)), codes.rows.shape[1])
    join_with_all(workspace, codes, candidates, np.arange(changed, dtype=np.int32))
    lists = rank_again(vectors, np.arange(count), candidates.keys, k)
    low = lists.scores <= limits[:, None]
    lists.ids[low] = -1
    lists.scores[low] = -np.inf
    return lists
