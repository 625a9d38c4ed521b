"""Lists of K that obey a rule: what a join found is filtered where that suffices, and found exactly where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.exact import topk_all_pairs
from uninote.neighbours.kernel.settings import EXACT_ROWS, Search, settings_for
from uninote.neighbours.lists import Lists, empty_lists
from uninote.neighbours.rules import NO_VALUE, Predicate, Rows, Rule, numbers_of
from uninote.vectors.top_k import best_columns

_BLOCK = 256

Join = Callable[[Rows, np.ndarray, int], Lists]  # of rows, their places among all, and a length; ids are rows


def join_rows(rows: Rows, rule: Rule, search: Search, assignments: list[Assignment] | None = None) -> Lists:
    """Return lists of `search.depth`, ids int32: each row's best others that the rule allows.

    To `assignments`, for a plain rule only, those that the kernel made of the rows are added.
    """

    def join(some: Rows, _: np.ndarray, depth: int) -> Lists:
        if len(some) <= EXACT_ROWS:
            return topk_all_pairs(some.vectors, depth)
        k = search.k if depth == search.depth else depth
        settings = settings_for(len(some), k, search.recall, depth)
        return top_k(some.vectors, depth, settings=settings, seed=search.seed, assignments=assignments)

    return by_rule(rows, rule, search.depth, join, np.arange(len(rows)))


def by_rule(rows: Rows, rule: Rule, k: int, join: Join, repaired: np.ndarray) -> Lists:
    """Run `join` on the rows that may meet, and filter what it finds; return lists of `k`, ids int32.

    A list of one of the rows `repaired`, int (r,), that lacks neighbours though there are some is found anew.
    """
    if rule.plain:
        found = join(rows, np.arange(len(rows)), k)
        lists = Lists(found.ids.astype(np.int32, copy=False), found.scores)
    else:
        lists = _join_groups(rows, rule, k, join, repaired)
    if rule.min_score is not None:
        low = lists.scores < rule.min_score
        lists.ids[low] = -1
        lists.scores[low] = -np.inf
    return lists


def _join_groups(rows: Rows, rule: Rule, k: int, join: Join, repaired: np.ndarray) -> Lists:
    lists = empty_lists(len(rows), k)
    for group in _groups(rows, rule):
        some = rows.take(group) if len(group) < len(rows) else rows
        # Twice as many candidates as entries: few lists then lack some once others are passed over.
        found = join(some, group, 2 * k if rule.filters else k)
        if rule.filters:
            found = _filter(some, rule, k, found, np.flatnonzero(np.isin(group, repaired)))
        count = min(k, found.ids.shape[1])
        ids = found.ids[:, :count]
        lists.ids[group, :count] = np.where(ids >= 0, group[ids], -1)
        lists.scores[group, :count] = found.scores[:, :count]
    return lists


def _groups(rows: Rows, rule: Rule) -> Iterator[np.ndarray]:
    """Yield the rows that agree in the attributes of `same`; rows with a null there are in none."""
    if not rule.same:
        yield np.arange(len(rows))
        return
    numbers = np.stack([numbers_of(rows.attributes[name]) for name in rule.same], axis=1)
    known = np.flatnonzero((numbers != NO_VALUE).all(axis=1))
    if not len(known):
        return
    _, group = np.unique(numbers[known], axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.flatnonzero(np.diff(group[order])) + 1
    for part in np.split(order, ends):
        yield known[part]


def _filter(rows: Rows, rule: Rule, k: int, found: Lists, repaired: np.ndarray) -> Lists:
    """Return the best `k` that are allowed; a row that then lacks some, though there are more, is scored with all."""
    ids, scores = found
    predicate = Predicate(rule, rows.attributes, len(rows))
    allowed = (ids >= 0) & predicate.allows(np.arange(len(rows))[:, None], ids)
    if rule.max_score is not None:
        allowed &= scores < rule.max_score
    # A stable sort of false before true: allowed entries move up, and stay best first.
    chosen = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
    lists = Lists(
        np.take_along_axis(np.where(allowed, ids, -1), chosen, axis=1),
        np.take_along_axis(np.where(allowed, scores, -np.inf), chosen, axis=1).astype(np.float32),
    )
    more = _may_have_more(rule, found)
    lacking = repaired[(more & (allowed.sum(axis=1) < k))[repaired]]
    if len(lacking) and lists.ids.shape[1]:
        exact = _exact(rows, rule, predicate, lists.ids.shape[1], lacking)
        lists.ids[lacking] = exact.ids
        lists.scores[lacking] = exact.scores
    return lists


def _may_have_more(rule: Rule, found: Lists) -> np.ndarray:
    """Return bool (n,): whose list was full, so that others that qualify may come after its last entry."""
    if not found.ids.shape[1]:
        return np.zeros(len(found.ids), dtype=bool)
    full: np.ndarray = found.ids[:, -1] >= 0
    if rule.min_score is not None:
        full &= found.scores[:, -1] >= rule.min_score  # what was not looked at would be below
    return full


def _exact(rows: Rows, rule: Rule, predicate: Predicate, k: int, lacking: np.ndarray) -> Lists:
    """Return the lists of the rows `lacking`, every pair with a candidate scored."""
    lists = empty_lists(len(lacking), k)
    candidates = np.flatnonzero(predicate.candidates)
    others = rows.vectors[candidates]
    for start in range(0, len(lacking), _BLOCK):
        mine = lacking[start : start + _BLOCK]
        block = rows.vectors[mine] @ others.T
        block[~predicate.allows(mine[:, None], candidates[None])] = -np.inf
        block[mine[:, None] == candidates[None]] = -np.inf
        if rule.max_score is not None:
            block[block >= rule.max_score] = -np.inf
        columns, scores = best_columns(block, k)
        place = slice(start, start + len(mine))
        count = columns.shape[1]
        lists.scores[place, :count] = scores
        lists.ids[place, :count] = np.where(columns >= 0, candidates[columns], -1)
    return lists
