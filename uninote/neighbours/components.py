"""Connected components of a sparse graph: which rows belong together through any chain of pairs."""

from __future__ import annotations

import numpy as np


def connected(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64, ascending, of all nodes; the least key of each one's component) of the edges first-second."""
    keys, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    left = places[: len(first)]
    right = places[len(first) :]
    label = np.arange(len(keys))
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, left, label[right])
        np.minimum.at(lowest, right, label[left])
        lowest = lowest[lowest]  # follow what was found one step: chains shrink by halves
        if np.array_equal(lowest, label):
            return keys, keys[label]
        label = lowest
