"""Stages that look at samples, ids and file lists: they take about as long however many notes there are."""

from __future__ import annotations

from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost

STAGES = ("release", "report", "retention")


def every_run(case: Case, stage: str) -> StageCost:
    """Return what one of STAGES takes.

    Gates draw samples (docs/releases.md) and hash the ids of at most 5,000,000 notes; a report reads at most 3,000 notes
    (docs/operations.md, The report); retention lists files and removes those of one night.
    """
    return StageCost(stage, core_seconds=0.0, constant_s=case.rates[f"{stage}.constant"])
