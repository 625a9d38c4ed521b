"""What the index stage does with the index of one width, after a look at its manifest and the tables; no Spark, no files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uninote.index.files.records import Manifest, Segment
from uninote.index.planning.choose import plan_index
from uninote.pipelines.index.decision import (
    ENOUGH_ROWS,
    Changes,
    NewBase,
    NewSegment,
    Recalibrate,
    Unchanged,
    Wanted,
    decide,
    drift_message,
    needs_changes,
)

VERSIONS = {"items": 4, "embeddings/w16": 6}
NEWER = {"items": 5, "embeddings/w16": 7}
WANTED = Wanted("settings", NEWER, "calibration", compact_share=0.2, max_drift=1.5)
SAME = replace(WANTED, versions=VERSIONS)
BEFORE = Manifest(
    generation="g",
    width=16,
    kinds=("note",),
    fingerprint="settings",
    plan=plan_index(1000, 16),
    template="t1",
    nprobe=4,
    live=1000,
    segments=(Segment("base", 1000, (), 0, None, VERSIONS),),
    created_at="2026-01-01T00:00:00+00:00",
    calibration="calibration",
)
FEW = Changes(rows=1010, added=30, segment_rows=30, voided=20)


def decided(before=BEFORE, wanted=WANTED, changes=FEW, damage=None, recorded=True):
    # What changed is given only where the stage would look it up.
    return decide(before, wanted, changes if needs_changes(before, wanted, damage) else None, damage, recorded)


def test_the_same_versions_leave_nothing_to_do():
    assert decided(wanted=SAME) == Unchanged()


@pytest.mark.parametrize(
    ("before", "wanted", "recorded"),
    [
        (BEFORE, SAME, False),  # published by a run that died before its entry in the ledger
        (BEFORE, replace(SAME, nprobe=7), True),
        (replace(BEFORE, nprobe_asked=7), SAME, True),
        (BEFORE, replace(SAME, calibration="of another k"), True),
        (replace(BEFORE, stale="nothing asks for its width"), SAME, True),
    ],
)
def test_other_searches_of_the_same_rows_are_calibrated_again(before, wanted, recorded):
    assert decided(before, wanted, recorded=recorded) == Recalibrate()


def test_few_changes_become_a_segment():
    assert decided() == NewSegment()
    assert decided(changes=Changes(rows=1000, added=100, segment_rows=100, voided=100)) == NewSegment()  # at the limit
    assert decided(wanted=replace(WANTED, nprobe=7)) == NewSegment()


@pytest.mark.parametrize(
    ("given", "reason", "template"),
    [
        ({"before": None}, "there is no index to start from", None),
        ({"before": None, "wanted": SAME}, "there is no index to start from", None),
        ({"wanted": replace(SAME, settings="other")}, "the settings are not those it was built with", None),
        ({"wanted": replace(SAME, retrain="now")}, "index.retrain is now", None),
        ({"damage": "a shard is missing"}, "a shard is missing", "t1"),
        ({"wanted": SAME, "damage": "a shard is missing"}, "a shard is missing", "t1"),
        ({"changes": None}, "the items' change feed does not reach back to the last build", "t1"),
        (
            {"changes": Changes(rows=1001, added=1, segment_rows=101, voided=100)},
            "101 rows were added to its 1,000 and 100 voided since the base was built, more than index.compact_share=0.2",
            "t1",
        ),
        ({"changes": replace(FEW, rows=1009)}, "it would have 1,010 rows, and the table has 1,009", "t1"),
    ],
)
def test_a_new_base_has_a_reason_and_perhaps_the_template_of_before(given, reason, template):
    assert decided(**given) == NewBase(reason, template)


def test_drift_is_acted_on_where_that_is_asked_for():
    far = replace(FEW, added=ENOUGH_ROWS, drift={"code_error_ratio": 1.1, "imbalance_ratio": 1.6})
    message = "the template t1 no longer fits (code_error_ratio 1.10, imbalance_ratio 1.60; index.max_drift is 1.5)"
    assert decided(wanted=replace(WANTED, retrain="auto"), changes=far) == NewBase(message, None)
    assert decided(changes=far) == NewSegment()
    assert drift_message(BEFORE, WANTED, far) == message
    near = replace(far, drift={"code_error_ratio": 1.5, "imbalance_ratio": 1.0})
    few = replace(far, added=ENOUGH_ROWS - 1)
    for changes in (near, few, FEW):
        assert drift_message(BEFORE, WANTED, changes) is None
        assert decided(wanted=replace(WANTED, retrain="auto"), changes=changes) == NewSegment()
