"""What a value of a source means for a field of a note: a text, topics, images with their OCR, or an id.

Values are what JSON, Arrow and CSV give: texts, numbers, times, bytes, lists and dicts of these. One that cannot be used
raises FieldError, and its row is set aside: a guess would go to the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any
from uuid import UUID

from uninote.media.fetching import inline_uri
from uninote.notes.ingest.list_text import Exists, listed, split_images, split_topics
from uninote.notes.ingest.times import NO_VALUE

URI_FIELDS = ("uri", "path", "url", "src", "file", "file_name")
OCR_FIELDS = ("ocr", "text")
TEXT_FIELDS = ("text", "ocr", "value", "content", "name", "label")
SHOWN = 200
Image = tuple[str | None, str | None]  # its URI and the text read in it


class FieldError(ValueError):
    """A value from which its field cannot be made; the message says which and why."""


def text_of(field: str, value: Any) -> str | None:
    """Return a value as text, None for none. A list gives a line each; a dict must have one text that is meant."""
    if value is None or isinstance(value, str):
        return None if value is None else encodable(value)
    if isinstance(value, list | tuple):
        return _lines(scalar_text(field, one) for one in value)
    if isinstance(value, Mapping):
        return _text_in(field, value)
    return scalar_text(field, value)


def _lines(texts: Iterable[str | None]) -> str:
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


def images_of(images: Any, ocr: Any, exists: Exists) -> list[Image]:
    """Return the images of a note. Texts of `ocr` go with them in order, or stand alone where there are none."""
    paired = zip_longest(_images(images, exists), _ocr_texts(ocr), fillvalue=None)
    found = []
    for image, text in paired:
        uri, own_text = image or (None, None)
        own_text = text if own_text is None else own_text
        if uri or own_text is not None:
            found.append((uri, own_text))
    return found


def contents_of(images: Any) -> list[bytes]:
    """Return the images that are bytes themselves."""
    values = images if isinstance(images, list | tuple) else [images]
    contents = []
    for one in values:
        content = _content(one) if isinstance(one, Mapping) else one
        if isinstance(content, bytes):
            contents.append(content)
    return contents


def id_text(value: Any) -> str | None:
    """Return an id as text, trimmed; None where there is none. Whole numbers have no decimal point."""
    if isinstance(value, float | Decimal):
        return None if _is_nan(value) else str(id_number(value))
    if isinstance(value, str) and encodable(value) != value:
        raise FieldError(f"note_id {value!r} holds half a character")
    if (value is not None and not isinstance(value, str | int | UUID | date)) or isinstance(value, bool):
        raise FieldError(f"note_id must be a text or a whole number; here it is {_shown(value)}")
    return None if value is None else (str(value).strip(" ") or None)


def id_number(value: Any) -> int | None:
    """Return an id as an integer that a bigint holds; None where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    # A bool is an int to isinstance.
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not _is_whole(value):
        raise FieldError(f"note_id must be a whole number, as the others are; here it is {_shown(value)}")
    if isinstance(value, float) and abs(value) > 1 << 53:
        raise FieldError(f"note_id {value!r} is past 2^53, where floating-point numbers skip; write ids as text")
    if not -(1 << 63) <= int(value) < 1 << 63:
        raise FieldError(f"note_id {value} is no 64-bit number; write ids as text")
    return int(value)


def scalar_text(field: str, value: Any) -> str | None:
    """Return a text, number, truth value or time as text; None for none."""
    if value is None or _is_nan(value):
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
    raise FieldError(f"{field} must be text; here it is {_shown(value)}")


def encodable(text: str) -> str:
    """Return `text` with half characters (lone surrogates, which no UTF-8 file can hold) replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _images(value: Any, exists: Exists) -> list[Image]:
    if value is None or _is_nan(value):
        return []
    if isinstance(value, str):
        value = split_images(value, exists)
    elif not isinstance(value, list | tuple):
        value = [value]
    return list(map(_image, value))


def _image(value: Any) -> Image:
    if value is None or _is_nan(value):
        return None, None
    if isinstance(value, bytes):
        return inline_uri(value), None
    if isinstance(value, str):
        return encodable(value), None
    if not isinstance(value, Mapping):
        raise FieldError(f"images must be paths, URIs or bytes; here one is {_shown(value)}")
    content = _content(value)
    names = [name for name in URI_FIELDS if name in value]
    if content is None and not names and not _has_null_content(value):
        raise FieldError(f"images need one of {', '.join(URI_FIELDS)}; here one has {', '.join(map(str, value))}")
    # Bytes win over a name beside them: they are what the row itself holds.
    uri = inline_uri(content) if content is not None else _first_place(value, names)
    for name in OCR_FIELDS:
        if value.get(name) is not None:
            return uri, _ocr_text(value[name])
    return uri, None


def _first_place(image: Mapping[Any, Any], names: Iterable[str]) -> str | None:
    """Return the first of the fields `names` that says where an image lies."""
    for name in names:
        place = text_of("images", image[name])
        if place is not None:
            return place
    return None


def _content(image: Mapping[Any, Any]) -> bytes | None:
    for value in image.values():
        if isinstance(value, bytes):
            return value
    return None


def _has_null_content(image: Mapping[Any, Any]) -> bool:
    for name in ("bytes", "content", "data", "image"):
        if name in image and image[name] is None:
            return True
    return False


def _ocr_texts(value: Any) -> list[str | None]:
    if isinstance(value, str):
        if value in NO_VALUE:
            return []
        entries = listed(value)
        value = entries if entries is not None else [value]
    if value is None or _is_nan(value):
        return []
    return list(map(_ocr_text, value)) if isinstance(value, list | tuple) else [_ocr_text(value)]


def _ocr_text(value: Any) -> str | None:
    """Return the text of what a reader of images found: a text, an object that has one beside boxes, or a list of these."""
    if isinstance(value, list | tuple):
        for one in value:
            if one is not None and not isinstance(one, str | Mapping):
                raise FieldError(f"ocr must be text, or objects with a text; here it is {_shown(value)}")
        return _lines(map(_ocr_text, value))
    return _text_in("ocr", value) if isinstance(value, Mapping) else scalar_text("ocr", value)


def _text_in(field: str, value: Mapping[Any, Any]) -> str | None:
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
    raise FieldError(f"{field} must be text; here it is {_shown(value)}")


def _is_nan(value: Any) -> bool:
    return (isinstance(value, float) and math.isnan(value)) or (isinstance(value, Decimal) and value.is_nan())


def _is_whole(value: float | Decimal) -> bool:
    return math.isfinite(value) and value == int(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
