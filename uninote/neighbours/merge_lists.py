"""One list a row out of several partial ones, as flat arrays: no padding, no loop over rows."""

from __future__ import annotations

import numpy as np


def best_of_groups(groups: np.ndarray, keys: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (entries int64, offsets int64 (g + 1,)): each group's best `k` entries, distinct keys, best first.

    `groups`, ints 0 to g - 1 ascending, `keys` int64 and `scores` float32 are of equal length; entries are positions in
    them. Equal scores fall in order of key; a key that comes twice keeps its better score.
    """
    count = int(groups[-1]) + 1 if len(groups) else 0
    by_key = np.lexsort((-scores, keys, groups))
    first = np.ones(len(by_key), dtype=bool)
    first[1:] = (groups[by_key][1:] != groups[by_key][:-1]) | (keys[by_key][1:] != keys[by_key][:-1])
    kept = by_key[first]
    order = kept[np.lexsort((keys[kept], -scores[kept], groups[kept]))]
    starts = np.searchsorted(groups[order], np.arange(count + 1))
    rank = np.arange(len(order)) - starts[groups[order]]
    entries = order[rank < k]
    return entries, np.searchsorted(groups[entries], np.arange(count + 1))
