"""Times as sources write them: epochs of any unit, and texts that mean one moment."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

# From the year 1 to the year 9999, what a timestamp of every reader holds.
EARLIEST = -62_135_596_800_000_000
LATEST = 253_402_300_799_999_999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_VALUE = {"", "nan", "NaN", "NaT", "None", "null", "NULL"}

_ISO = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?)?)?\s*(\S.*)?"
)
_BASIC = re.compile(r"(?:19|20|21)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")
_HALVES = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}(?::\d{2})?)\s*([AaPp])\.?[Mm]\.?")


class Micros(int):
    """Microseconds since 1970, UTC: a time from a typed column, of which nobody needs to guess the unit."""


class TimeError(ValueError):
    """A value that is no time, or of which nobody can say which."""


def micros(value: Any) -> int | None:
    """Return microseconds since 1970, UTC where no zone is named; None for no value. Raises TimeError.

    Numbers, also as text, are seconds, milliseconds, microseconds or nanoseconds, by their size. Times between the years 1
    and 9999 are returned, no others.
    """
    if value is None or (isinstance(value, str) and value.strip() in NO_VALUE):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    try:
        found = _micros(value)
    except (ValueError, OverflowError, ArithmeticError, LookupError, OSError, TypeError) as error:
        raise TimeError(f"{value!r} is no time") from error
    if not EARLIEST <= found <= LATEST:
        raise TimeError(f"{value!r} is not between the years 1 and 9999")
    return found


def _micros(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, Micros):
        return int(value)
    if isinstance(value, int | float | Decimal):
        return _of_epoch(Decimal(str(value)))
    if isinstance(value, datetime):
        return _of_datetime(value)
    if isinstance(value, date):
        return _of_datetime(datetime(value.year, value.month, value.day))
    if not isinstance(value, str):
        raise TypeError
    return _of_text(value.strip())


def _of_epoch(number: Decimal) -> int:
    """Until the year 5138 seconds have at most 11 digits; each finer unit of a time after March 1973 has three more."""
    size = abs(number)
    # A number so small counts seconds: until the year 5138.
    if size < 100_000_000_000:
        return math.floor(number * 1_000_000)
    # One so small counts milliseconds, until the same year.
    if size < 100_000_000_000_000:
        return math.floor(number * 1000)
    # One so small counts microseconds.
    if size < 100_000_000_000_000_000:
        return math.floor(number)
    return math.floor(number * Decimal("0.001"))


def _of_datetime(when: datetime) -> int:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def _of_text(text: str) -> int:
    if _BASIC.fullmatch(text):
        return _of_datetime(datetime.strptime(text, "%Y%m%d"))
    # Four digits are a year, any other number a time since 1970.
    if _NUMBER.fullmatch(text) and not re.fullmatch(r"\d{4}", text):
        return _of_epoch(Decimal(text))
    readers: tuple[Callable[[str], datetime | None], ...] = (_iso, _halves, _mail, _named_day)
    for reader in readers:
        found = reader(text)
        if found is not None:
            return _of_datetime(found)
    raise TimeError(f"{text!r} is no time")


def _iso(text: str) -> datetime | None:
    """ISO 8601, also with a blank for the T, with digits left out, and with a zone's name."""
    match = _ISO.fullmatch(text)
    if match is None or _HALVES.fullmatch(text):
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micro = int(((fraction or "") + "000000")[:6])
    day_of = (int(year), int(month or 1), int(day or 1))
    return datetime(*day_of, int(hour or 0), int(minute or 0), int(second or 0), micro, _zone(zone))


def _zone(name: str | None) -> Any:
    if name is None or name in ("Z", "z", "UTC", "GMT"):
        return UTC
    match = _OFFSET.fullmatch(name)
    if match is None:
        return ZoneInfo(name.strip("[]"))
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return timezone(-offset if sign == "-" else offset)


def _halves(text: str) -> datetime | None:
    """2024-01-02 10:30 PM."""
    match = _HALVES.fullmatch(text)
    if match is None:
        return None
    clock = match[1].replace("T", " ")
    half = match[2].upper()
    form = "%Y-%m-%d %I:%M:%S %p" if clock.count(":") == 2 else "%Y-%m-%d %I:%M %p"
    return datetime.strptime(f"{clock} {half}M", form)


def _mail(text: str) -> datetime | None:
    """Tue, 02 Jan 2024 10:30:00 GMT, as mail, feeds and HTTP write it."""
    if not re.fullmatch(r"(?:[A-Za-z]{3},\s*)?\d{1,2} [A-Za-z]{3} \d{4} .*", text):
        return None
    return parsedate_to_datetime(text)


def _named_day(text: str) -> datetime | None:
    """Wed Oct 10 20:19:24 +0000 2018, as ctime, Ruby and Twitter write it."""
    if not re.fullmatch(r"[A-Za-z]{3} [A-Za-z]{3} +\d{1,2} .*", text):
        return None
    form = "%a %b %d %H:%M:%S %z %Y" if re.search(r" [+-]\d{4} ", text) else "%a %b %d %H:%M:%S %Y"
    return datetime.strptime(text, form)
