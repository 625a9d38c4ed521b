"""The bytes of lists in an online store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pushes import rows_of

from uninote.serving.encoding import encoded
from uninote.serving.layout import (
    GONE,
    Entry,
    StoreError,
    entries_of,
    key_of,
    neighbours_in,
    reachable,
    read_at,
    value_of,
    with_entry,
)

SCORES = st.floats(-1, 1, width=32)
NUMBERED = st.dictionaries(
    st.integers(0, 1000), st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), SCORES), max_size=5), min_size=1
)
NAMED = st.dictionaries(st.text(max_size=9), st.lists(st.tuples(st.text(max_size=30), SCORES), max_size=5), min_size=1)


@settings(deadline=None)
@given(NUMBERED | NAMED)
def test_lists_come_back_as_they_were_also_out_of_a_part_of_a_table(lists):
    rows = rows_of(lists)
    assert {key: neighbours_in(body) for key, body in encoded(rows)} == lists
    half = len(rows) // 2
    assert {key: neighbours_in(body) for key, body in encoded(rows.slice(half))} == dict(list(lists.items())[half:])


@settings(deadline=None)
@given(NUMBERED | NAMED)
def test_a_value_holds_two_lists_and_readers_take_the_newest_that_is_not_newer(lists):
    bodies = [body for _, body in encoded(rows_of(lists))]
    value = None
    for release, body in enumerate(bodies, 1):
        value = with_entry(value, Entry(release, body), live=release - 1 or None)
        entries = entries_of(value)
        assert [entry.release for entry in entries] == [one for one in (release, release - 1) if one]
        assert read_at(entries, release) == Entry(release, body)
        assert read_at(entries, release + 5) == Entry(release, body)
        assert read_at(entries, 0) is None


def test_a_list_that_is_put_again_takes_its_own_place():
    old = value_of([Entry(4, b"\1\0\0"), Entry(3, b"\2\0\0")])
    assert with_entry(old, Entry(4, GONE), live=3) == value_of([Entry(4, GONE), Entry(3, b"\2\0\0")])


def test_a_list_of_an_older_release_is_not_taken_by_readers_of_the_live_one():
    old = value_of([Entry(4, b"\1\0\0"), Entry(3, b"\2\0\0")])
    assert with_entry(old, Entry(1, GONE), live=4) == value_of([Entry(4, b"\1\0\0"), Entry(1, GONE)])
    assert with_entry(value_of([Entry(1, b"\1\0\0")]), Entry(2, b"\2\0\0"), live=4) == value_of(
        [Entry(4, b"\1\0\0"), Entry(2, b"\2\0\0")]
    )
    assert with_entry(None, Entry(2, b"\2\0\0"), live=4) == value_of([Entry(4, GONE), Entry(2, b"\2\0\0")])


def test_what_no_reader_takes_is_not_reachable():
    value = value_of([Entry(4, b"\1\0\0"), Entry(2, b"\2\0\0")])
    assert reachable(value, [4, 3]) == value
    assert reachable(value, [5]) == value_of([Entry(4, b"\1\0\0")])
    assert reachable(value, [3, 2]) == value_of([Entry(2, b"\2\0\0")])
    assert reachable(value, [1]) is None
    assert reachable(value_of([Entry(4, GONE)]), [4]) is None
    assert reachable(value_of([Entry(4, b"\1\0\0"), Entry(2, GONE)]), [4, 2]) == value_of([Entry(4, b"\1\0\0")])


def test_sizes_are_as_the_layout_says():
    twenty = [(number, np.float32(0.5)) for number in range(20)]
    ((_, body),) = encoded(rows_of({1: twenty}))
    assert len(value_of([Entry(1, body)])) == 247
    ((_, body),) = encoded(rows_of({"a": [(str(number + 10), score) for number, score in twenty]}))
    assert len(value_of([Entry(1, body)])) == 127 + 40


@pytest.mark.parametrize("value", [b"\0", b"\1\0\0\0\1\5\0", value_of([Entry(1, GONE)]) + b"\0\0"])
def test_a_value_that_is_cut_off_is_refused(value):
    with pytest.raises(StoreError, match="not as it was written"):
        entries_of(value)


def test_long_ids_have_keys_that_every_store_takes():
    assert key_of("neighbours", 17) == key_of("neighbours", "17") == b"neighbours:17"
    long = key_of("neighbours", "x" * 1000)
    assert len(long) < 100
    assert long != key_of("neighbours", "x" * 1001)


def test_an_id_of_a_neighbour_that_no_length_fits_is_refused():
    with pytest.raises(StoreError, match="has 70,000 bytes"):
        list(encoded(rows_of({"a": [("x" * 70_000, 0.5)]})))
