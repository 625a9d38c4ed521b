"""The join of a few changed rows with all others, by the leaves that a full join left: only rows near them are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.neighbours.kernel.approximate import rank_again
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.codes import encode_around, reordered
from uninote.neighbours.kernel.leaves import make_workspace
from uninote.neighbours.kernel.local_join import take_edges
from uninote.neighbours.kernel.meetings import Meeting, Pairs
from uninote.neighbours.kernel.pivots import Groups, group_rows, look_around
from uninote.neighbours.kernel.simd.tiles import HAS_VNNI
from uninote.neighbours.update.reach import Plan, Sample, cheapest_plan

_SAMPLE_ROWS = 512  # changed rows that tell in which leaves their neighbours are
_SAMPLE_PART = 8  # of the others, one in so many meets them: what differs is the rows that look, and these are many
_FEW_ROWS = 2 * _SAMPLE_ROWS // _SAMPLE_PART  # that meet all others at about the cost of a sample


def join_probed(
    vectors: np.ndarray,
    changed: int,
    k: int,
    limits: np.ndarray,
    assignments: Sequence[Assignment],
    *,
    recall: float,
    seed: int,
) -> tuple[Pairs, list[np.ndarray]]:
    """Return (pairs, leaves): what rows gain by the first `changed` of `vectors`, and the leaves of those rows.

    `vectors` is float32 (n, width) of about unit length, `limits` float32 (n,). `assignments` have the leaves of the
    unchanged rows, those from `changed` on, and at least as many pivots as a row has leaves. All pairs with a changed
    row are scored where there are none, or where no part of the leaves is both cheap and holds `recall` of the pairs
    that a sample of the changed rows makes.

    A changed row's pairs are its best `k` of all rows; an unchanged one's are its best `k` of the changed rows whose
    score exceeds its own of `limits`, -inf for any. Scores are exact. `leaves` has int32 (changed, fan) for each
    assignment. The same for the same input and seed on one kind of CPU.
    """
    if changed == 0:
        return _no_pairs(), [assignment.leaves[:0] for assignment in assignments]
    meeting, plan = Meeting(np.ascontiguousarray(vectors, dtype=np.float32), changed, k, limits), None
    if changed > _FEW_ROWS and assignments:
        plan = _choose_plan(meeting, assignments, recall, np.random.default_rng(seed))
    seats = [_look(meeting, assignment, plan.margin if plan else 0.0) for assignment in assignments]
    if plan:
        _join_leaves(meeting, assignments, [groups for _, groups in seats], plan)
    else:
        meeting.join_all(np.arange(changed, dtype=np.int32))
    return _gains(meeting), [nearest for nearest, _ in seats]


def _choose_plan(
    meeting: Meeting, assignments: Sequence[Assignment], recall: float, generator: np.random.Generator
) -> Plan | None:
    """Return how the members find what they are to find, by the pairs of some of them with some of the other rows."""
    members, others = meeting.members, len(meeting.vectors) - meeting.members
    sampled = np.sort(generator.permutation(members)[:_SAMPLE_ROWS]).astype(np.int32)
    part = np.flatnonzero(generator.random(others, dtype=np.float32) < 1 / _SAMPLE_PART)
    meeting.join(sampled, (part + members).astype(np.int32))
    found, best = meeting.take_hits(), take_edges(meeting.lists.keys[sampled], -(-meeting.k // _SAMPLE_PART)) >> 1
    place, slot = np.nonzero(best >= 0)
    forward = np.stack([place, best[place, slot] - members])
    reverse = np.stack([np.searchsorted(sampled, found.others), found.owners - members])
    sample = Sample(meeting.vectors[sampled], (forward, reverse))
    return cheapest_plan(assignments, sample, recall, members)


def _look(meeting: Meeting, assignment: Assignment, margin: float) -> tuple[np.ndarray, Groups]:
    """Return (the members' leaves, int32 (members, fan); the members that look into each leaf)."""
    pivots = encode_around(assignment.pivots, meeting.mean)
    workspace = make_workspace(len(assignment.pivots), pivots.rows.shape[1], HAS_VNNI)
    members = reordered(meeting.codes, np.arange(meeting.members))
    return look_around(workspace, members, pivots, assignment.leaves.shape[1], margin)


def _join_leaves(meeting: Meeting, assignments: Sequence[Assignment], looking: Sequence[Groups], plan: Plan) -> None:
    """Join members with the rows in the leaves that they look into, and with each other.

    Those whose leaves may hold fewer rows than they keep, in any assignment, are joined with all rows.
    """
    seen = np.zeros(meeting.members)
    for assignment, members in zip(assignments[: plan.assignments], looking, strict=False):
        rows = group_rows(np.ascontiguousarray(assignment.leaves[:, : plan.slots]), len(assignment.pivots))
        meeting.join_groups(members, Groups(rows.starts, rows.rows + np.int32(meeting.members)))
        met = np.repeat(np.diff(rows.starts), np.diff(members.starts))
        np.maximum(seen, np.bincount(members.rows, met, minlength=meeting.members), out=seen)
    meeting.join_members(np.arange(meeting.members, dtype=np.int32))
    least = plan.slots * min(meeting.k, len(meeting.vectors) - meeting.members)  # a row may be in so many of the leaves
    meeting.join_all(np.flatnonzero(seen < least).astype(np.int32))


def _gains(meeting: Meeting) -> Pairs:
    """Return the pairs of all rows, ranked by the vectors themselves."""
    ids, scores = rank_again(meeting.vectors, np.arange(len(meeting.vectors)), meeting.lists.keys, meeting.k)
    held, gained = ids >= 0, meeting.take_hits()
    own = Pairs(np.nonzero(held)[0].astype(np.int32), ids[held], scores[held])
    return Pairs(*(np.concatenate(both) for both in zip(own, gained, strict=True)))


def _no_pairs() -> Pairs:
    return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
