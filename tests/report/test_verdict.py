import math
from dataclasses import replace

from sample_report import make_indexes, make_report

from uninote.evaluation.estimates import Estimate
from uninote.report.data import Reconciliation, StageRow
from uninote.report.figures import Recall
from uninote.report.verdict import judge


def states(**fields):
    return {check.section: check.state for check in judge(make_report(**fields)).checks}


def test_a_sound_run_passes_every_check():
    verdict = judge(make_report())
    assert (verdict.state, verdict.headline, verdict.summary) == ("ok", "Sound", "All 5 checks passed.")


def test_lost_notes_are_a_failure():
    lost = Reconciliation(3000, 97, 2896, 6, 12, 15, 2994)
    verdict = judge(make_report(reconciliation=lost))
    assert (verdict.state, verdict.headline) == ("failed", "Not sound")
    assert "3,000 in, 2,999 accounted for" in [check.finding for check in verdict.checks]


def test_a_failed_stage_is_named():
    verdict = judge(make_report(stages=(StageRow("embed", "done", 1, {}), StageRow("index", "failed", 1, {}))))
    assert verdict.state == "failed"
    assert verdict.checks[0].finding == "failed: index"


def test_recall_below_target_needs_attention():
    assert states(recall=Recall(20, 500, Estimate(0.9499, 0.94, 0.96), 0.95))["recall"] == "attention"
    assert states(recall=Recall(20, 500, Estimate(0.95, 0.94, 0.96), 0.95))["recall"] == "ok"
    assert states(recall=Recall(20, 500, Estimate(0.99), 0.95, {"public": Estimate(0.94)}))["recall"] == "attention"


def test_an_index_that_misses_its_target_is_not_called_sound():
    good, poor = make_indexes()[0], replace(make_indexes()[1], recall=Estimate(0.8999))
    verdict = judge(make_report(indexes=(good, poor)))
    assert (verdict.headline, verdict.summary) == ("Needs attention", "Needs a look: index recall@20.")
    assert "w64 0.8999, target 0.9000" in [check.finding for check in verdict.checks]
    assert states(indexes=(good, replace(poor, recall=Estimate(math.nan))))["indexes"] == "attention"
    assert states(indexes=(good, replace(poor, recall=None)))["indexes"] == "unknown"


def test_what_was_made_of_older_tables_needs_attention():
    verdict = judge(make_report(behind=("neighbours",)))
    assert (verdict.state, verdict.summary) == ("attention", "Needs a look: freshness.")


def test_a_stage_that_did_not_end_is_named():
    verdict = judge(make_report(stages=(StageRow("embed", "unfinished", 0, {}),)))
    assert (verdict.state, verdict.checks[0].finding) == ("attention", "began and did not end: embed")


def test_a_quarantined_share_above_the_limit_needs_attention():
    assert states(quarantine_limit=0.002)["quarantine"] == "ok"
    assert states(quarantine_limit=0.0019)["quarantine"] == "attention"


def test_what_was_not_measured_is_not_called_sound():
    verdict = judge(make_report(recall=None))
    assert (verdict.state, verdict.headline) == ("unknown", "Not fully checked")
    assert verdict.summary == "Not measured: recall."


def test_the_worst_state_decides_and_all_are_named():
    verdict = judge(make_report(recall=Recall(20, 9, Estimate(0.5), 0.9), stages=(StageRow("index", "failed", 1, {}),)))
    assert verdict.state == "failed"
    assert verdict.summary == "Failed: stages; needs a look: recall@20."
