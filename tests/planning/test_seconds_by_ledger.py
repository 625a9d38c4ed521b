"""How long a run of embed takes, by the entries of the ledger: without Spark."""

from __future__ import annotations

import pytest

from uninote.planning.embed import seconds_by_ledger


def entry(seconds, computed, state="done"):
    return {"seconds": seconds, "state": state, "counts": {"computed": computed}}


def test_a_lake_without_a_run_that_computed_something_promises_nothing():
    assert seconds_by_ledger([], 5) is None
    assert seconds_by_ledger([entry(3.0, 0), entry(9.0, 50, "started")], 5) is None


def test_the_shortest_run_is_what_a_night_costs_and_the_largest_gives_the_rate():
    entries = [entry(110.0, 1000), entry(10.0, 0), entry(30.0, 100), entry(1.0, 7, "started")]
    assert seconds_by_ledger(entries, 0) == 10.0
    assert seconds_by_ledger(entries, 500) == 60.0
    assert seconds_by_ledger(entries[:1], 500) == pytest.approx(55.0)
