"""Which releases are kept, and how long Delta may keep what they need."""

from __future__ import annotations

import pytest

from uninote.config.sections.releases import RetentionConfig
from uninote.lake.releases.pointer import Pointer
from uninote.lake.upkeep.table_retention import hours_of
from uninote.upkeep.retention import oldest, without_expired

OLD = "2020-01-01T00:00:00+00:00"


def kept(state, **settings):
    return without_expired(state, RetentionConfig(**settings)).kept


def test_rejected_releases_drive_out_none_to_go_back_to():
    state = Pointer(live=6, kept=(1, 2, 3, 4, 5, 6), rejected=(3, 4, 5), replaced={str(n): OLD for n in range(1, 6)})
    assert kept(state) == (1, 2, 6)
    assert kept(Pointer(live=6, kept=(1, 2, 3, 4, 5, 6), replaced={str(n): OLD for n in range(1, 6)})) == (4, 5, 6)


def test_what_is_live_pinned_wanted_or_read_stays():
    now = "2999-01-01T00:00:00+00:00"
    state = Pointer(live=2, kept=(1, 2, 3, 4, 5, 6), pinned={"1": "audit"}, replaced={"3": now}, work_from=2)
    assert kept(state, releases=2) == (1, 2, 3, 5, 6)


def test_a_pinned_release_of_long_ago_keeps_no_files_of_later_ones():
    assert oldest(Pointer(live=9, kept=(1, 8, 9), pinned={"1": "audit"})) == 8
    assert oldest(Pointer(live=9, kept=(9,), pinned={"9": "audit"})) == 9


@pytest.mark.parametrize(
    ("interval", "hours"),
    [
        ("interval 1 hours", 1),
        ("interval 30 minutes", 0.5),
        ("interval 0 seconds", 0),
        ("INTERVAL 1 week 2 days", 216),
        ("2 days 12 hours", 60),
        ("interval 3650 days", 87600),
        ("a while", None),
        ("interval", None),
    ],
)
def test_hours_of_an_interval(interval, hours):
    assert hours_of(interval) == hours
