"""Samples that depend on keys and a seed alone, never on the order or the number of files."""

from __future__ import annotations

import numpy as np

_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_INCREMENT = 0x9E3779B97F4A7C15


def place_in_order(keys: np.ndarray, seed: int) -> np.ndarray:
    """Return uint64 (n,): where each of `keys`, int64, stands in the order of this seed.

    The finaliser of splitmix64 (Steele, Lea and Flood, 2014), a bijection: no two keys share a place.
    """
    mixed = keys.astype(np.uint64) + np.uint64((_INCREMENT * (seed + 1)) & (2**64 - 1))
    for shift, factor in _STEPS:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def first_in_order(keys: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the positions, int64 ascending, of the `count` keys that come first in the order of `seed`."""
    places = place_in_order(keys, seed)
    chosen = np.argpartition(places, count)[:count] if count < len(keys) else np.arange(len(keys))
    return np.sort(chosen)
