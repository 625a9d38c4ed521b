"""What the neighbours stage does after a look at the ledger and the tables; no Spark, no lake."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.planning.costs import MOST_ROWS, Costs
from uninote.pipelines.neighbours.decision import (
    ChangedNotes,
    Changes,
    FullJoin,
    LastRun,
    Present,
    Unchanged,
    Update,
    decide,
    needs_changes,
)

LAST = LastRun("settings", {"items": 4, "embeddings/w16": 6}, {"neighbour_rows": 2}, as_of=1_000)
NEWER = {"items": 5, "embeddings/w16": 7}
NOTES = ChangedNotes(np.array([3, 5, 8]), np.array([5]))


def decided(present, changes=None, last=LAST, full_share=None):
    # What changed is given only where the stage would look it up.
    return decide(last, present, changes if needs_changes(last, present) else None, full_share)


def test_the_same_inputs_leave_nothing_to_do():
    assert decided(Present("settings", LAST.inputs)) == Unchanged()
    assert decided(Present("settings", LAST.inputs, as_of=1_000)) == Unchanged()


@pytest.mark.parametrize(
    ("present", "changes", "reason"),
    [
        (Present("other", LAST.inputs), None, "the settings are not those of the last run"),
        (
            Present("settings", NEWER),
            Changes(100, None),
            "the change feed of items does not reach back to the last run, or names too many rows",
        ),
        (Present("settings", NEWER), Changes(100, NOTES, unreadable="part-1 is gone"), "part-1 is gone"),
        (
            Present("settings", NEWER),
            Changes(MOST_ROWS + 1, NOTES),
            "200,000,001 notes are more than the 200,000,000 whose limits fit into a task",
        ),
        (Present("settings", NEWER), Changes(14, NOTES), "3 of 14 notes changed"),
        (
            Present("settings", NEWER),
            Changes(100, NOTES, added_rows=101),
            "updates added 101 rows to the cells since all 100 notes were joined",
        ),
    ],
)
def test_all_notes_are_joined_with_a_reason(present, changes, reason):
    assert decided(present, changes) == FullJoin(reason)


def test_without_an_earlier_run_all_notes_are_joined():
    present = Present("settings", NEWER, damage="neighbours is gone")
    assert decided(present, last=None) == FullJoin("no earlier run left lists to start from")


@pytest.mark.parametrize(
    ("present", "reason"),
    [
        (Present("settings", NEWER), "3 notes changed"),
        (Present("settings", LAST.inputs, as_of=1_001), "3 notes changed"),  # some have grown too old
        (Present("settings", LAST.inputs, damage="neighbours is gone"), "neighbours is gone"),
    ],
)
@pytest.mark.parametrize("added", [0, 15])
def test_few_changes_are_an_update(present, reason, added):
    decision = decided(present, Changes(15, NOTES, added_rows=added))  # at the limits, not past them
    assert isinstance(decision, Update)
    assert decision.reason == reason
    assert decision.changed is NOTES


@pytest.mark.parametrize("rows", [14, 1000])  # more than a share of 0.2 changed, and less
def test_the_cheaper_way_is_taken_where_the_ledger_knows_both(rows):
    dear = Costs(join_s=4.0, update_s=4.1)
    why = f"3 of {rows:,} notes changed; by the last runs an update takes 4.1 s, joining all 4.0 s"
    assert decided(Present("settings", NEWER), Changes(rows, NOTES, costs=dear)) == FullJoin(why, dear)
    cheap = Costs(join_s=4.0, update_s=4.0)
    decision = decided(Present("settings", NEWER), Changes(rows, NOTES, costs=cheap))
    assert isinstance(decision, Update)
    assert decision.reason == "3 notes changed; by the last runs an update takes 4.0 s, joining all 4.0 s"
    assert decision.costs == cheap


def test_a_share_that_is_given_decides_whatever_the_costs():
    dear = Costs(join_s=1.0, update_s=100.0)
    assert isinstance(decided(Present("settings", NEWER), Changes(1000, NOTES, costs=dear), full_share=0.5), Update)
    cheap = Costs(join_s=100.0, update_s=1.0)
    assert isinstance(decided(Present("settings", NEWER), Changes(4, NOTES, costs=cheap), full_share=0.5), FullJoin)


def test_what_makes_an_update_impossible_comes_before_its_costs():
    changes = Changes(100, NOTES, added_rows=101, costs=Costs(100.0, 1.0))
    reason = "updates added 101 rows to the cells since all 100 notes were joined"
    assert decided(Present("settings", NEWER), changes, full_share=None).reason == reason


def test_the_changes_are_asked_for_where_they_matter():
    with pytest.raises(ValueError, match="the changes since the last run are needed"):
        decide(LAST, Present("settings", NEWER), None, 0.2)
