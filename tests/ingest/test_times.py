"""Times of many shapes, one moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from uninote.notes.ingest.times import EPOCH, TimeError, micros

SECONDS = 1704164645  # 2024-01-02T03:04:05Z


def moment(value):
    return EPOCH + timedelta(microseconds=micros(value))


@pytest.mark.parametrize("value", [SECONDS, SECONDS * 1000, SECONDS * 10**6, SECONDS * 10**9])
def test_epochs_of_any_unit_as_numbers_and_texts(value):
    expected = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [moment(kind(value)) for kind in (int, float, Decimal, str)] == [expected] * 4


def test_fractions_and_times_before_1970_are_kept():
    assert micros(1704164645.25) == micros("1704164645.25") == 1704164645_250_000
    assert micros(-1) == -1_000_000
    assert micros(-SECONDS * 1000) == -SECONDS * 1_000_000
    assert micros(0) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02 03:04:05", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02T12:04:05+09:00", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02 12:04:05 +0900", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02 04:04:05 Europe/Paris", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02T03:04:05.123456789Z", (2024, 1, 2, 3, 4, 5, 123456)),
        ("2024-1-2 3:4", (2024, 1, 2, 3, 4)),
        ("2024-01-02", (2024, 1, 2)),
        ("2024-01", (2024, 1, 1)),
        ("2024", (2024, 1, 1)),
        ("20240102", (2024, 1, 2)),
        ("2024-01-02 10:30 PM", (2024, 1, 2, 22, 30)),
        ("Tue, 02 Jan 2024 10:30:00 GMT", (2024, 1, 2, 10, 30)),
        ("Wed Oct 10 20:19:24 +0000 2018", (2018, 10, 10, 20, 19, 24)),
        ("9999-12-31 23:59:59", (9999, 12, 31, 23, 59, 59)),
        ("0001-01-01", (1, 1, 1)),
    ],
)
def test_texts_that_mean_one_moment(text, expected):
    assert moment(text) == datetime(*expected, tzinfo=UTC)


def test_typed_times():
    assert moment(date(2024, 1, 2)) == datetime(2024, 1, 2, tzinfo=UTC)
    assert moment(datetime(2024, 1, 2, 3)) == datetime(2024, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", " ", "nan", "NaT", "null", float("nan")])
def test_no_value_is_no_time(value):
    assert micros(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("soon", "01/02/2024 10:30", "02.01.2024", "0000-00-00 00:00:00", "2024-02-30", "9999-12-31T23:59:59-01:00"),
        *(True, [], {}, 10**30, float("inf"), "1e400", "2024-01-02 03:04:05 Nowhere/City"),
    ],
)
def test_what_is_no_time_or_several_is_refused(value):
    with pytest.raises(TimeError):
        micros(value)
