"""The join of changed rows with all others, by the leaves that a full join left: only rows near them are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.neighbours.kernel.approximate import rank_again
from uninote.neighbours.kernel.assignments import Assignment, Groups, group_rows
from uninote.neighbours.kernel.codes import encode_around, reordered
from uninote.neighbours.kernel.join import short_lists
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.local_join import take_edges
from uninote.neighbours.results.lists import Pairs
from uninote.neighbours.results.progress import part_of_join
from uninote.neighbours.update.changed_join import ChangedJoin, ChangedRows
from uninote.neighbours.update.near_pivots import pivots_within
from uninote.neighbours.update.reach import Plan, Sample, cheapest_plan

_SAMPLE_ROWS = 512  # changed rows that show in which leaves their neighbours are
# One in so many of the others meets them: the rows that look are what differs, and these are many.
_SAMPLE_PART = 8
# So many rows meet all others at about the cost of a sample.
_LEAST_PLANNED = 2 * _SAMPLE_ROWS // _SAMPLE_PART


def join_probed(
    rows: ChangedRows, k: int, assignments: Sequence[Assignment], *, recall: float, seed: int
) -> tuple[Pairs, list[np.ndarray]]:
    """Return (pairs, leaves): what `rows` gain by those that changed, and the leaves of the latter.

    `assignments` have the leaves of the unchanged rows, and at least as many pivots as a row has leaves. All pairs with
    a changed row are scored where there are none, or where no part of the leaves is both cheap and holds `recall` of the
    pairs that a sample of the changed rows makes.

    A changed row's pairs are its best `k` of all rows; an unchanged one's are its best `k` of the changed rows whose
    score exceeds its limit. Scores are exact. `leaves` has int32 (changed, fan) for each assignment. The same for the
    same input and seed on one kind of CPU.
    """
    changed = rows.changed
    if changed == 0:
        return no_pairs(), [assignment.leaves[:0] for assignment in assignments]
    join = ChangedJoin(rows, k)
    plan = None
    if changed > _LEAST_PLANNED and assignments:
        plan = _choose_plan(join, assignments, recall, np.random.default_rng(seed))
    leaves = []
    probed = []
    for assignment in assignments:
        own_leaves, groups = _look(join, assignment, plan.margin if plan else 0.0)
        leaves.append(own_leaves)
        probed.append(groups)
    if plan:
        _join_leaves(join, assignments, probed, plan)
    else:
        join.join_all(np.arange(changed, dtype=np.int32))
    return gains(join), leaves


def _choose_plan(
    join: ChangedJoin, assignments: Sequence[Assignment], recall: float, generator: np.random.Generator
) -> Plan | None:
    """Return how changed rows find what they are to find, by the pairs of some of them with some of the other rows."""
    changed = join.changed
    others = len(join.vectors) - changed
    sampled = np.sort(generator.permutation(changed)[:_SAMPLE_ROWS]).astype(np.int32)
    part = np.flatnonzero(generator.random(others, dtype=np.float32) < 1 / _SAMPLE_PART)
    join.join(sampled, (part + changed).astype(np.int32))
    found = join.take_hits()
    # Of k neighbours among all rows about k / _SAMPLE_PART are in the part that the sample has met.
    best = take_edges(join.candidates.keys[sampled], -(-join.k // _SAMPLE_PART)) >> 1
    place, slot = np.nonzero(best >= 0)
    forward = np.stack([place, best[place, slot] - changed])
    reverse = np.stack([np.searchsorted(sampled, found.others), found.owners - changed])
    sample = Sample(join.vectors[sampled], (forward, reverse))
    return cheapest_plan(assignments, sample, recall, changed)


def _look(join: ChangedJoin, assignment: Assignment, margin: float) -> tuple[np.ndarray, Groups]:
    """Return (the changed rows' leaves, int32 (changed, fan); the changed rows that look into each leaf)."""
    pivots = encode_around(assignment.pivots, join.mean)
    workspace = make_workspace(len(assignment.pivots), pivots.rows.shape[1])
    changed = reordered(join.codes, np.arange(join.changed))
    return pivots_within(workspace, changed, pivots, assignment.leaves.shape[1], margin)


def _join_leaves(join: ChangedJoin, assignments: Sequence[Assignment], looking: Sequence[Groups], plan: Plan) -> None:
    """Join changed rows with the rows in the leaves that they look into, and with each other.

    Those whose leaves may hold fewer rows than they are to find, in any assignment, are joined with all rows, and so are those
    whose lists are not full because most of what they met is excluded.
    """
    seen = np.zeros(join.changed)
    for number, (assignment, changed) in enumerate(zip(assignments[: plan.assignments], looking, strict=False)):
        leaves = np.ascontiguousarray(assignment.leaves[:, : plan.slots])
        groups = group_rows(leaves, len(assignment.pivots))
        others = Groups(groups.starts, groups.rows + np.int32(join.changed))
        join.join_groups(changed, others, part_of_join(number, plan.assignments))
        met = np.repeat(np.diff(groups.starts), np.diff(changed.starts))
        np.maximum(seen, np.bincount(changed.rows, met, minlength=join.changed), out=seen)
    join.join_changed(np.arange(join.changed, dtype=np.int32))
    # A row may be in so many of the leaves.
    least = plan.slots * min(join.k, len(join.vectors) - join.changed)
    seen[short_lists(join.candidates.keys, min(join.k, len(join.vectors) - 1))] = 0
    join.join_all(np.flatnonzero(seen < least).astype(np.int32))


def gains(join: ChangedJoin) -> Pairs:
    """Return the pairs of all rows that a join found, ranked by the vectors themselves."""
    lists = rank_again(join.vectors, np.arange(len(join.vectors)), join.candidates.keys, join.k)
    held = lists.ids >= 0
    own = Pairs(np.nonzero(held)[0].astype(np.int32), lists.ids[held], lists.scores[held])
    gained = join.take_hits()
    return Pairs(*map(np.concatenate, zip(own, gained, strict=True)))


def no_pairs() -> Pairs:
    """Return pairs of no rows."""
    return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
