"""The report: of samples, so it takes as long however many notes there are."""

from __future__ import annotations

from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost


def every_run(case: Case) -> StageCost:
    """Return what a report takes; it reads at most 3,000 notes (docs/operations.md, The report)."""
    return StageCost("report", core_seconds=0.0, constant_s=case.rates["report.constant"])
