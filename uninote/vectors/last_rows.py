"""The last row of each key, where later rows replace earlier ones."""

from __future__ import annotations

import numpy as np


def last_rows(keys: np.ndarray, *later: np.ndarray) -> np.ndarray:
    """Return int64 positions, in order of key: for each different one of `keys`, int64 (n,), its last row.

    The last one is the one with the greatest of `later`, arrays (n,), the first of them deciding; among equals, and without
    any, the one that stands last.
    """
    # The sort is stable, and fast on what is a few sorted runs already, as files of one cell are.
    order = np.lexsort((*reversed(later), keys))
    ordered = keys[order]
    is_last = np.ones(len(keys), dtype=bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    return np.asarray(order[is_last])
