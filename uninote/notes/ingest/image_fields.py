"""What the values of a source mean for the images of a note: where each lies, its bytes, and the texts read in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from uninote.media.fetching import inline_uri
from uninote.notes.encodable import encodable
from uninote.notes.ingest.fields import FieldError, is_nan, lines, scalar_text, shown, text_in, text_of
from uninote.notes.ingest.list_text import Exists, listed, split_images
from uninote.notes.ingest.times import NO_VALUE

URI_FIELDS = ("uri", "path", "url", "src", "file", "file_name")
OCR_FIELDS = ("ocr", "text")
Image = tuple[str | None, str | None]  # its URI and the text read in it


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


def _images(value: Any, exists: Exists) -> list[Image]:
    if value is None or is_nan(value):
        return []
    if isinstance(value, str):
        value = split_images(value, exists)
    elif not isinstance(value, list | tuple):
        value = [value]
    return list(map(_image, value))


def _image(value: Any) -> Image:
    if value is None or is_nan(value):
        return None, None
    if isinstance(value, bytes):
        return inline_uri(value), None
    if isinstance(value, str):
        return encodable(value), None
    if not isinstance(value, Mapping):
        raise FieldError(f"images must be paths, URIs or bytes; here one is {shown(value)}")
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
    if value is None or is_nan(value):
        return []
    return list(map(_ocr_text, value)) if isinstance(value, list | tuple) else [_ocr_text(value)]


def _ocr_text(value: Any) -> str | None:
    """Return the text of what a reader of images found: a text, an object that has one beside boxes, or a list of these."""
    if isinstance(value, list | tuple):
        for one in value:
            if one is not None and not isinstance(one, str | Mapping):
                raise FieldError(f"ocr must be text, or objects with a text; here it is {shown(value)}")
        return lines(map(_ocr_text, value))
    return text_in("ocr", value) if isinstance(value, Mapping) else scalar_text("ocr", value)
