"""The values of a row of judgments, as files have them: texts, numbers and times, or a ValueError that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

_YES = {"true", "yes", "y", "1", "1.0"}
_NO = {"false", "no", "n", "0", "0.0"}
_SKIPPED = {"", "skip", "null", "none"}
_ABSENT = (None, "")


def probability_of(row: Mapping[str, Any]) -> float | None:
    """Return the probability with which a pair was drawn, null where the row has none."""
    value = row.get("probability")
    if value in _ABSENT:
        return None
    try:
        probability = float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"the probability {value!r} is no number; it is above 0 and at most 1") from None
    if not 0 < probability <= 1:
        raise ValueError(f"the probability {probability} is not above 0 and at most 1")
    return probability


def answer_of(value: Any) -> bool | None:
    """Return what somebody said, null where nothing."""
    text = "" if value is None else str(value).strip().lower()
    if text in _SKIPPED:
        return None
    if text not in _YES | _NO:
        raise ValueError(f"relevant is {value!r}; it is true or false")
    return text in _YES


def note_id_of(value: Any, kind: pa.DataType, what: str = "a note's id") -> str | int:
    """Return an id as the lake has ids, of the type `kind`; `what` names it in errors."""
    if value in _ABSENT:
        raise ValueError(f"{what} is empty")
    if not pa.types.is_integer(kind):
        return _written(value, what)
    number = _integer(value)
    if number is None or number.bit_length() >= kind.bit_width:
        raise ValueError(f"notes of this lake have numbers of {kind.bit_width} bits, and {value!r} is none")
    return number


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """Return the text in a column, null where the row has none."""
    value = row.get(name)
    return None if value in _ABSENT else _written(value, name)


def _written(value: Any, what: str) -> str:
    """Return a text or a whole number as a text: anything else, 12.0 say, would be written as nobody else writes it."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{what} is {value!r}; it is a text")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {value!r}, which holds half of a character; write it as UTF-8") from None
    return text


def whole_of(row: Mapping[str, Any], name: str, schema: pa.Schema) -> int | None:
    """Return the whole number in a column, as the `schema` has it, null where the row has none."""
    value = row.get(name)
    if value in _ABSENT:
        return None
    number, bits = _integer(value), schema.field(name).type.bit_width - 1
    if number is None or number < 0 or number.bit_length() > bits:
        raise ValueError(f"{name} is {value!r}; it is a whole number from 0 to 2^{bits} - 1, or empty")
    return number


def _integer(value: Any) -> int | None:
    """Return a whole number that is written as one or as 12.0, null for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return int(value) if not isinstance(value, float) else _without_fraction(value)
    except ValueError:
        return _without_fraction(value)


def _without_fraction(value: str | float) -> int | None:
    """Return 12 of 12.0, as which some write numbers of a column with gaps; null for anything else."""
    try:
        return int(value) if (value := float(value)).is_integer() else None
    except ValueError:
        return None


def time_of(value: Any) -> datetime | None:
    """Return a time in UTC, null where there is none."""
    if value in _ABSENT:
        return None
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"judged_at is {str(value)!r}; it is a time such as 2026-11-02T10:00:00Z") from None
