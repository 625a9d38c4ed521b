"""What either way of a night would take, by what the ledger says of earlier ones; no Spark, no lake."""

from __future__ import annotations

import pytest

from uninote.neighbours.planning.costs import Costs, estimate_costs

JOINED = {"fingerprint": "settings", "counts": {"notes": 1000}, "metrics": {"join_s": 10.0}}


def updated(*, notes=1000, changed=10, passes=2.0, search=1.0):
    counts = {"notes": notes, "changed": changed}
    metrics = {"update_pass_s": passes, "update_search_s": search}
    return {"fingerprint": "settings", "counts": counts, "metrics": metrics}


def test_a_night_like_the_last_takes_what_that_took():
    assert estimate_costs([updated(), JOINED], "settings", 1000, 10) == Costs(10.0, 3.0)


def test_joins_and_passes_grow_with_the_rows():
    assert estimate_costs([updated(), JOINED], "settings", 2000, 10) == Costs(20.0, 5.0)


def test_more_changed_notes_take_more_and_less_do_not_take_less():
    costs = estimate_costs([updated(), JOINED], "settings", 1000, 110)
    assert costs.update_s == pytest.approx(3.0 + 100 * 5 * 0.01)
    assert estimate_costs([updated(), JOINED], "settings", 1000, 1) == Costs(10.0, 3.0)


def test_the_cheapest_of_the_last_runs_counts():
    slow = {**JOINED, "metrics": {"join_s": 30.0}}
    entries = [updated(passes=9.0), slow, updated(changed=20, search=0.5), updated(search=4.0), JOINED]
    assert estimate_costs(entries, "settings", 1000, 10) == Costs(10.0, 2.5)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [JOINED],
        [updated()],
        [updated(), {**JOINED, "fingerprint": "others"}],
        [updated(), *[{**JOINED, "metrics": {}}] * 9, JOINED],  # too long ago
        [{**updated(), "metrics": {"recall_at_k": 0.99}}, JOINED],  # of a release that did not take the time
    ],
)
def test_costs_are_known_only_where_both_ways_were_taken_lately(entries):
    assert estimate_costs(entries, "settings", 1000, 10) is None
