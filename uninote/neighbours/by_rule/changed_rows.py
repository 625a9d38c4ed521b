"""The join of changed rows with all others that a rule allows: by leaves, among rows that agree where the rule says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uninote.neighbours.by_rule.rule_lists import WHOLE_ROWS, excluded_by, groups_of
from uninote.neighbours.by_rule.rules import Rows, Rule
from uninote.neighbours.kernel.assignments import Assignment, Groups
from uninote.neighbours.kernel.settings import Search
from uninote.neighbours.results.lists import Pairs
from uninote.neighbours.update.changed_join import MOST_TOGETHER, ChangedJoin, ChangedRows
from uninote.neighbours.update.probes import gains, join_probed, no_pairs


class Updated(NamedTuple):
    """Rows of which the first `changed` are new or differ, and the score that a pair must exceed to be of use to each other
    one, `limits` float32 (n,), -inf for any."""

    rows: Rows
    changed: int
    limits: np.ndarray

    def take(self, places: np.ndarray) -> Updated:
        """Return some of them, `places` ascending."""
        return Updated(self.rows.take(places), int(np.searchsorted(places, self.changed)), self.limits[places])


def join_by_rule(updated: Updated, rule: Rule, search: Search, assignments: Sequence[Assignment]) -> Pairs:
    """Return what rows gain by those that changed, as `join_probed` does, of the pairs that the rule allows.

    `assignments` have the leaves of the rows that did not change, of any rule.
    """
    parts = [no_pairs()]
    small = []
    for group in groups_of(updated.rows, rule):
        changed = int(np.searchsorted(group, updated.changed))
        if changed == 0:
            continue
        if rule.same and len(group) <= WHOLE_ROWS and changed <= MOST_TOGETHER:
            small.append(group)
            continue
        own = group[changed:] - updated.changed
        of_group = [Assignment(one.pivots, one.leaves[own]) for one in assignments]
        parts.append(_named(_probe(updated.take(group), rule, search, of_group), group))
    if small:
        parts.append(_join_whole(updated, small, rule, search.depth))
    pairs = Pairs(*map(np.concatenate, zip(*parts, strict=True)))
    if rule.min_score is None:
        return pairs
    good = pairs.scores >= rule.min_score
    return Pairs(pairs.owners[good], pairs.others[good], pairs.scores[good])


def _probe(some: Updated, rule: Rule, search: Search, assignments: Sequence[Assignment]) -> Pairs:
    rows = ChangedRows(some.rows.vectors, some.changed, some.limits, excluded_by(some.rows, rule))
    return join_probed(rows, search.depth, assignments, recall=search.recall, seed=search.seed)[0]


def _join_whole(updated: Updated, groups: Sequence[np.ndarray], rule: Rule, depth: int) -> Pairs:
    """Return what the rows of small groups gain: all pairs with a changed row in each group, in a few compiled loops."""
    changed = _side_by_side([group[group < updated.changed] for group in groups])
    others = _side_by_side([group[group >= updated.changed] for group in groups])
    places = np.sort(np.concatenate([changed.rows, others.rows]))
    some = updated.take(places)
    join = ChangedJoin(ChangedRows(some.rows.vectors, some.changed, some.limits, excluded_by(some.rows, rule)), depth)
    mine = Groups(changed.starts, np.searchsorted(places, changed.rows).astype(np.int32))
    join.join_groups(mine, Groups(others.starts, np.searchsorted(places, others.rows).astype(np.int32)))
    join.join_changed_groups(mine)
    return _named(gains(join), places)


def _side_by_side(groups: Sequence[np.ndarray]) -> Groups:
    sizes = [len(group) for group in groups]
    return Groups(np.concatenate([[0], np.cumsum(sizes)]), np.concatenate(groups))


def _named(pairs: Pairs, places: np.ndarray) -> Pairs:
    """Return pairs of rows at some `places` as pairs of all rows."""
    numbers = places.astype(np.int32)
    return Pairs(numbers[pairs.owners], numbers[pairs.others], pairs.scores)
