"""How gates decide on a sample: by the whole interval, or after a larger sample by the estimate."""

from __future__ import annotations

import pytest

from uninote.evaluation.estimates import Estimate
from uninote.pipelines.release.judging import at_least, at_most


def judged(*estimates, limit=0.95):
    """Return the state of a gate whose first and second sample give these estimates, and how often it was measured."""
    asked = []

    def measure(times):
        asked.append(times)
        return estimates[len(asked) - 1]

    return at_least("recall", measure, limit, "recall", "settings").state, asked


@pytest.mark.parametrize(
    ("estimates", "state", "asked"),
    [
        ([Estimate(0.97, 0.96, 0.98)], "passed", [1]),
        ([Estimate(0.93, 0.92, 0.94)], "failed", [1]),
        # Open: a sample four times as large is drawn, and decides by its interval, or else by itself.
        ([Estimate(0.95, 0.93, 0.97), Estimate(0.96, 0.955, 0.965)], "passed", [1, 4]),
        ([Estimate(0.96, 0.94, 0.98), Estimate(0.93, 0.92, 0.94)], "failed", [1, 4]),
        ([Estimate(0.94, 0.92, 0.96), Estimate(0.951, 0.94, 0.96)], "passed", [1, 4]),
        ([Estimate(0.96, 0.94, 0.98), Estimate(0.949, 0.94, 0.96)], "failed", [1, 4]),
        # All rows were looked at.
        ([Estimate(0.95, 0.95, 0.95)], "passed", [1]),
        ([Estimate(0.949, 0.949, 0.949)], "failed", [1]),
        ([Estimate(0.96)], "passed", [1]),
        ([Estimate(float("nan"), float("nan"), float("nan"))], "failed", [1]),
    ],
)
def test_a_share_on_a_sample(estimates, state, asked):
    assert judged(*estimates) == (state, asked)


def test_an_exact_figure():
    assert at_most("set_aside", 0.05, 0.05, "share", "").state == "passed"
    assert at_most("set_aside", 0.0501, 0.05, "share", "").state == "failed"
    assert at_most("set_aside", float("nan"), 0.05, "share", "").state == "failed"
