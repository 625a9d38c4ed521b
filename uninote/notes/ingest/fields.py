"""What a value of a source means for a field of a note: a text, topics, or an id; images are in `image_fields.py`.

Values are what JSON, Arrow and CSV give: texts, numbers, times, bytes, lists and dicts of these. One that cannot be used
raises FieldError, and its row is set aside: a guess would go to the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from uninote.notes.encodable import encodable
from uninote.notes.ingest.list_text import split_topics

TEXT_FIELDS = ("text", "ocr", "value", "content", "name", "label")
SHOWN = 200


class FieldError(ValueError):
    """A value from which its field cannot be made; the message says which and why."""


def text_of(field: str, value: Any) -> str | None:
    """Return a value as text, None for none. A list gives a line each; a dict must have one text that is meant."""
    if value is None or isinstance(value, str):
        return None if value is None else encodable(value)
    if isinstance(value, list | tuple):
        return lines(scalar_text(field, one) for one in value)
    if isinstance(value, Mapping):
        return text_in(field, value)
    return scalar_text(field, value)


def lines(texts: Iterable[str | None]) -> str:
    """Return the texts that there are, a line each."""
    return "\n".join(text for text in texts if text is not None)


def topics_of(value: Any) -> list[str]:
    """Return the topics of a list, or of one text."""
    if isinstance(value, str):
        value = split_topics(value)
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        value = [value]
    topics = []
    for one in value:
        text = text_of("topics", one) if isinstance(one, Mapping) else scalar_text("topics", one)
        text = (text or "").strip(" ")
        if text:
            topics.append(text)
    return topics


def id_text(value: Any) -> str | None:
    """Return an id as text, trimmed; None where there is none. Whole numbers have no decimal point."""
    if isinstance(value, float | Decimal):
        return None if is_nan(value) else str(id_number(value))
    if isinstance(value, str) and encodable(value) != value:
        raise FieldError(f"note_id {value!r} holds half a character")
    if (value is not None and not isinstance(value, str | int | UUID | date)) or isinstance(value, bool):
        raise FieldError(f"note_id must be a text or a whole number; here it is {shown(value)}")
    return None if value is None else (str(value).strip(" ") or None)


def id_number(value: Any) -> int | None:
    """Return an id as an integer that a bigint holds; None where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    # A bool is an int to isinstance.
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not _is_whole(value):
        raise FieldError(f"note_id must be a whole number, as the others are; here it is {shown(value)}")
    if isinstance(value, float) and abs(value) > 1 << 53:
        raise FieldError(f"note_id {value!r} is past 2^53, where floating-point numbers skip; write ids as text")
    if not -(1 << 63) <= int(value) < 1 << 63:
        raise FieldError(f"note_id {value} is no 64-bit number; write ids as text")
    return int(value)


def scalar_text(field: str, value: Any) -> str | None:
    """Return a text, number, truth value or time as text; None for none."""
    if value is None or is_nan(value):
        return None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, int | float | date | time | timedelta | UUID):
        return str(value)
    if isinstance(value, Decimal):
        # Without an exponent: str() of a large or small one would have it.
        return format(value, "f")
    raise FieldError(f"{field} must be text; here it is {shown(value)}")


def text_in(field: str, value: Mapping[Any, Any]) -> str | None:
    """Return the text of an object: what its `text` says, or the only text that it has."""
    for name in TEXT_FIELDS:
        if name in value:
            if value[name] is None or isinstance(value[name], str):
                return scalar_text(field, value[name])
            break
    # Of several texts nobody can say which is meant.
    texts = [one for one in value.values() if isinstance(one, str)]
    if len(texts) == 1:
        return encodable(texts[0])
    if all(one is None for one in value.values()):
        return None
    raise FieldError(f"{field} must be text; here it is {shown(value)}")


def is_nan(value: Any) -> bool:
    return (isinstance(value, float) and math.isnan(value)) or (isinstance(value, Decimal) and value.is_nan())


def _is_whole(value: float | Decimal) -> bool:
    return math.isfinite(value) and value == int(value)


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
