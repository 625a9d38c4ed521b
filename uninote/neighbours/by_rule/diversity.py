"""Lists in which only so many notes begin with the same codes."""

from __future__ import annotations

import math

import numpy as np

MOST_CANDIDATES = 200  # that a list keeps, to fill K of them
ALONE = -1  # the group of a note without codes: it shares them with nobody
_FILLED = 0.99  # of a sample's lists, that candidates should suffice for


def occurrences(owners: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return int64 (n,): how many entries before each, of the same owner, have its group; entries come in order of rank."""
    order = np.lexsort((np.arange(len(groups)), groups, owners))
    is_first = np.ones(len(order), bool)
    is_first[1:] = (owners[order][1:] != owners[order][:-1]) | (groups[order][1:] != groups[order][:-1])
    starts = np.flatnonzero(is_first)
    counts = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    found = np.empty(len(order), np.int64)
    found[order] = counts
    return found


def are_diverse(owners: np.ndarray, groups: np.ndarray, at_most: int) -> np.ndarray:
    """Return bool (n,): which entries, in order of rank by owner, stay where a list has `at_most` of a group."""
    return np.asarray((groups == ALONE) | (occurrences(owners, groups) < at_most))


def candidates_needed(groups: np.ndarray, at_most: int, k: int) -> int:
    """Return how many candidates fill most lists of `k`: `groups` int64 (m, n) are those of a sample's best, best first.

    Where a list is not full by then, at most MOST_CANDIDATES are kept.
    """
    rows, columns = groups.shape
    if not rows:
        return k
    owners = np.repeat(np.arange(rows), columns)
    stays = are_diverse(owners, groups.reshape(-1), at_most).reshape(rows, columns)
    filled = np.cumsum(stays, axis=1) >= k
    lengths = np.where(filled.any(axis=1), filled.argmax(axis=1) + 1, MOST_CANDIDATES)
    needed = np.sort(lengths)[math.ceil(_FILLED * rows) - 1]
    return int(min(max(needed, k), MOST_CANDIDATES))
