"""Samples that depend on keys and a seed alone, never on the order or the number of files."""

from __future__ import annotations

import math

import numpy as np

_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_INCREMENT = 0x9E3779B97F4A7C15
# More than any seed: the two orders of a seed are those of two seeds that nobody uses together.
_TRAINING = 1 << 40


def place_in_order(keys: np.ndarray, seed: int) -> np.ndarray:
    """Return uint64 (n,): where each of `keys`, int64, stands in the order of this seed.

    The finaliser of splitmix64 (Steele, Lea and Flood, 2014), a bijection: no two keys share a place.
    """
    mixed = keys.astype(np.uint64) + np.uint64((_INCREMENT * (seed + 1)) & (2**64 - 1))
    for shift, factor in _STEPS:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def training_seed(seed: int) -> int:
    """Return the seed of the order that a training sample is drawn in, where `seed` draws the one that measures the result.

    In one order the smaller sample is a part of the larger: recall would be measured on rows that centroids and codebooks
    were fitted to. Of 300,000 x 64 that gave .979 where rows outside of the training gave .976, of a million no difference.
    """
    return seed + _TRAINING


def first_in_order(keys: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the positions, int64 ascending, of the `count` keys that come first in the order of `seed`."""
    places = place_in_order(keys, seed)
    chosen = np.argpartition(places, count)[:count] if count < len(keys) else np.arange(len(keys))
    return np.sort(chosen)


def share_of(count: int, total: int) -> float:
    """Return a share of the order, at most 1, that has `count` of `total` keys or more, and hardly more than it must."""
    # How many keys lie in a share varies by the square root of how many should: ten times that never falls short.
    return min(1.0, (count + 10 * math.sqrt(count) + 100) / max(1, total))


def are_in_share(keys: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return bool (n,): which of `keys`, int64, stand in the first `share`, 0 to 1, of the order of this seed."""
    if share >= 1:
        return np.ones(len(keys), dtype=bool)
    return np.asarray(place_in_order(keys, seed) < np.uint64(int(share * 2**64)))
