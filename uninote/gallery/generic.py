"""Entries that are near to everything: one alone would match more notes than all others of its category together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CANDIDATES = 32  # entries that reach furthest: who is not among them is not generic
_LEAST_OTHERS = 2  # different entries, without which nobody can say what is usual
_COPIES = 0.95  # entries with such a cosine are one
_BLOCK_SCORES = 16 << 20


def generic_entries(parts: np.ndarray, ids: Sequence[str], items: np.ndarray, count: int) -> list[str]:
    """Return the ids of entries that are too generic to act on.

    `parts` float32 (n, width), each of the entry in `ids`, of one category and kind; `items` float32 (m, width), a sample of
    notes' items. An entry is generic if more than `count` items reach it at the score from which all other entries together
    are reached by `count`. Copies of an entry are one with it.
    """
    names = list(dict.fromkeys(ids))
    if len(names) <= _LEAST_OTHERS or len(items) <= count:
        return []
    reach = _reach(parts, items, count)
    by_reach = np.argsort(-reach, kind="stable")[:_CANDIDATES]
    is_candidate = np.zeros(len(parts), bool)
    is_candidate[by_reach] = True
    scores = items @ parts[by_reach].T
    rest = _best(parts[~is_candidate], items)
    groups = _copies(parts[by_reach], [ids[one] for one in by_reach])
    return _named(groups, scores, rest, count)


def _named(groups: list[set[str]], scores: np.ndarray, rest: np.ndarray, count: int) -> list[str]:
    """Return who is generic, furthest reaching first, each measured against those that are left."""
    found: list[str] = []
    left = list(range(scores.shape[1]))
    while left:
        mine = groups[left[0]]
        own = [one for one in left if groups[one] is mine]
        others = [one for one in left if groups[one] is not mine]
        usual = np.maximum(rest, scores[:, others].max(axis=1)) if others else rest
        # Where there are entries beside the candidates, others are left.
        different = {id(groups[one]) for one in others}
        is_alone = len(different) < _LEAST_OTHERS and scores.shape[1] < _CANDIDATES
        if is_alone or _kth(scores[:, own].max(axis=1), count) <= _kth(usual, count):
            break
        found += sorted(mine)
        left = others
    return found


def _kth(scores: np.ndarray, count: int) -> float:
    """Return the score that more than `count` reach no more: the one behind the `count` best."""
    return float(np.partition(scores, len(scores) - count - 1)[len(scores) - count - 1])


def _reach(parts: np.ndarray, items: np.ndarray, count: int) -> np.ndarray:
    """Return float32 (n,): the score of each part behind its `count` best items."""
    found = np.empty(len(parts), np.float32)
    rows = max(1, _BLOCK_SCORES // len(items))
    place = len(items) - count - 1
    for first in range(0, len(parts), rows):
        block = parts[first : first + rows] @ items.T
        found[first : first + rows] = np.partition(block, place, axis=1)[:, place]
    return found


def _best(parts: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return float32 (m,): each item's best score; -1 where there is no part."""
    best = np.full(len(items), -1, np.float32)
    rows = max(1, _BLOCK_SCORES // len(items))
    for first in range(0, len(parts), rows):
        np.maximum(best, (parts[first : first + rows] @ items.T).max(axis=0), out=best)
    return best


def _copies(parts: np.ndarray, ids: Sequence[str]) -> list[set[str]]:
    """Return for each part the ids of the entries that it is one with: its own, and those of copies of copies."""
    groups = [{one} for one in ids]
    near = parts @ parts.T >= _COPIES
    for left, right in np.argwhere(np.triu(near | (np.array(ids)[:, None] == np.array(ids)), 1)).tolist():
        if groups[left] is not groups[right]:
            joined = groups[left] | groups[right]
            old = (groups[left], groups[right])
            groups = [joined if any(group is one for one in old) else group for group in groups]
    return groups
