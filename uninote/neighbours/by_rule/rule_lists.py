"""Lists of K that obey a rule: rows that may meet are joined, and pairs that a rule forbids enter no list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from uninote.neighbours.by_rule.rules import NO_VALUE, Predicate, Rows, Rule, numbers_of
from uninote.neighbours.kernel.approximate import rank_again, top_k
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.candidates import empty_candidates
from uninote.neighbours.kernel.codes import encode_around, mean_of
from uninote.neighbours.kernel.exact import topk_all_pairs
from uninote.neighbours.kernel.exclusions import Exclusions, in_codes
from uninote.neighbours.kernel.leaves import join_leaves, make_workspace
from uninote.neighbours.kernel.settings import EXACT_ROWS, Search, list_length, settings_for
from uninote.neighbours.results.lists import Lists, empty_lists
from uninote.vectors.top_k import best_columns

# Groups of up to so many rows with the same attributes are joined as one leaf: all pairs.
WHOLE_ROWS = 20_000
_BLOCK = 256


def join_rows(rows: Rows, rule: Rule, search: Search, assignments: list[Assignment] | None = None) -> Lists:
    """Return lists, ids int32: each row's best others that the rule allows, `search.depth` of them or what the rule needs.

    To `assignments`, for a plain rule only, those that the kernel made of the rows are added.
    """
    search = search.with_candidates(rule.candidates)
    lists = _join_all(rows, rule, search, assignments) if not rule.same else _join_groups(rows, rule, search)
    if rule.min_score is not None:
        low = lists.scores < rule.min_score
        lists.ids[low] = -1
        lists.scores[low] = -np.inf
    return lists


def excluded_by(rows: Rows, rule: Rule) -> Exclusions:
    """Return the pairs that a rule forbids, but for those of different attributes where these must be the `same`."""
    different = [numbers_of(rows.attributes[name]).astype(np.int32) for name in rule.different]
    groups = np.stack(different) if different else np.empty((0, 0), np.int32)
    is_neighbour = np.empty(0, np.bool_)
    if rule.only or rule.never:
        is_neighbour = Predicate(rule, rows.attributes, len(rows)).candidates
    return Exclusions(groups, is_neighbour, np.float32(np.inf if rule.max_score is None else rule.max_score))


def groups_of(rows: Rows, rule: Rule) -> Iterator[np.ndarray]:
    """Yield the rows that agree in the attributes of `same`, ascending; rows with a null there are in none."""
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


def _join_all(rows: Rows, rule: Rule, search: Search, assignments: list[Assignment] | None) -> Lists:
    """Join rows that may all meet, but for those excluded."""
    depth = search.depth
    if len(rows) <= EXACT_ROWS and rule.plain:
        found = topk_all_pairs(rows.vectors, depth)
    elif len(rows) <= EXACT_ROWS:
        found = exact_lists(rows, rule, depth, np.arange(len(rows)))
    else:
        settings = settings_for(len(rows), search.k, search.recall, depth)
        excluded = excluded_by(rows, rule)
        found = top_k(
            rows.vectors, depth, settings=settings, seed=search.seed, assignments=assignments, excluded=excluded
        )
    return Lists(found.ids.astype(np.int32, copy=False), found.scores)


def _join_groups(rows: Rows, rule: Rule, search: Search) -> Lists:
    """Join the rows of each group with each other: large groups one by one, all small ones at once."""
    lists = empty_lists(len(rows), search.depth)
    small = []
    for group in groups_of(rows, rule):
        if len(group) <= WHOLE_ROWS:
            small.append(group)
        else:
            _put(lists, group, _join_all(rows.take(group), rule, search, None))
    if small:
        _put(lists, np.concatenate(small), _join_whole(rows, rule, search.depth, small))
    return lists


def _join_whole(rows: Rows, rule: Rule, depth: int, groups: Sequence[np.ndarray]) -> Lists:
    """Return the lists of the rows of some groups, one group after the other: all pairs within each, in one compiled loop.

    There may be a group for each author: called once for each of 20,000 groups, a join would take seconds to be called.
    """
    some = rows.take(np.concatenate(groups))
    sizes = np.array([len(group) for group in groups])
    mean = mean_of(some.vectors)
    codes = encode_around(some.vectors, mean)
    excluded = in_codes(excluded_by(some, rule), mean, some.vectors)
    # Twice the room: groups are too small for the last entries, which codes order roughly, not to matter.
    candidates = empty_candidates(len(some), len(some), list_length(2 * depth), excluded=excluded)
    workspace = make_workspace(int(sizes.max()), codes.rows.shape[1])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    join_leaves(workspace, codes, candidates, starts, np.arange(len(some), dtype=np.int32))
    return rank_again(some.vectors, np.arange(len(some)), candidates.keys, depth)


def _put(lists: Lists, group: np.ndarray, found: Lists) -> None:
    """Write the lists of a group, whose ids are places in it, among those of all rows."""
    count = found.ids.shape[1]
    lists.ids[group, :count] = np.where(found.ids >= 0, group[found.ids], -1)
    lists.scores[group, :count] = found.scores


def exact_lists(rows: Rows, rule: Rule, k: int, some: np.ndarray) -> Lists:
    """Return the lists of `some` of the rows, int (m,), of length `k`, every pair that the rule may allow scored in float32."""
    predicate = Predicate(rule, rows.attributes, len(rows))
    lists = empty_lists(len(some), k)
    candidates = np.flatnonzero(predicate.candidates)
    others = rows.vectors[candidates]
    for start in range(0, len(some), _BLOCK):
        mine = some[start : start + _BLOCK]
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
