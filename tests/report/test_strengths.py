"""What each least strength leaves of lists."""

from __future__ import annotations

from uninote.pipelines.report.labels import Label
from uninote.pipelines.report.strengths import STEPS, strength_cuts

LISTS = {
    "a": [("b", 9.0), ("c", 2.5)],
    "b": [("a", 9.0), ("d", 1.5)],
    "c": [("d", 0.5)],
    "d": [],
}
TOPIC = Label("topic", "", "", {"a": frozenset("xy"), "b": frozenset("y"), "c": frozenset("z")})


def test_pairs_empty_lists_and_labels_are_counted():
    cuts = {cut.strength: cut for cut in strength_cuts(LISTS, [TOPIC])}
    assert [*cuts] == [*STEPS]
    assert (cuts[0].pairs, cuts[0].empty, cuts[0].shares) == (1.0, 0.25, {"topic": 2 / 3})
    assert (cuts[2].pairs, cuts[2].empty, cuts[2].shares) == (3 / 5, 0.5, {"topic": 2 / 3})
    assert (cuts[8].pairs, cuts[8].empty, cuts[8].shares) == (2 / 5, 0.5, {"topic": 1.0})


def test_entries_without_a_strength_stay_and_nothing_is_told_where_none_has_one():
    some = {"a": [("b", None), ("c", 1.0)]}
    assert [cut.pairs for cut in strength_cuts(some, [])] == [1.0, 1.0] + [0.5] * (len(STEPS) - 2)
    assert strength_cuts({"a": [("b", None)], "b": []}, [TOPIC]) == ()
    assert strength_cuts({}, []) == ()
