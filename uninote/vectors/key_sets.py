"""Which keys are among some others."""

from __future__ import annotations

import numpy as np

_TABLE_BYTES = 64  # for each key looked up, that a table of all keys may take


def among(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `keys` are among `others`, int64 ascending."""
    if not len(others):
        return np.zeros(len(keys), dtype=bool)
    # A table takes one look for each key, where a binary search takes a dozen; it must not be much larger than the keys.
    if others[-1] - others[0] < _TABLE_BYTES * len(keys):
        return np.isin(keys, others, kind="table")
    place = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    return np.asarray(others[place] == keys)
