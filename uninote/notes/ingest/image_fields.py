"""What the values of a source mean for the images of a note: where each lies, its bytes, and the texts that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from uninote.media.fetching import inline_uri
from uninote.notes.encodable import encodable
from uninote.notes.ingest.fields import FieldError, is_nan, lines, scalar_text, shown, text_in, text_of
from uninote.notes.ingest.list_text import Exists, listed, split_images
from uninote.notes.ingest.times import NO_VALUE

URI_FIELDS = ("uri", "path", "url", "src", "file", "file_name")
OCR_FIELDS = ("ocr", "text")
CAPTION_FIELDS = ("caption", "alt", "alt_text")


class FoundImage(NamedTuple):
    """Where an image lies, what was read in it, and what describes it; each null where there is none."""

    uri: str | None
    ocr: str | None = None
    caption: str | None = None


_NONE = FoundImage(None)


def images_of(images: Any, ocr: Any, captions: Any, exists: Exists) -> list[FoundImage]:
    """Return the images of a note. Texts of `ocr` go with them in order, or stand alone where there are none.

    `captions` go with them in order too, and mean nothing where a note has no image. Raises FieldError for more of them than
    there are images: nobody can say which is whose.
    """
    named = _images(images, exists)
    described = _texts("image_captions", captions) if named else []
    if any(described[len(named) :]):
        raise FieldError(
            f"image_captions are {len(described)} for {len(named)} images; give one for each image, in order"
        )
    found = []
    for one, text, caption in zip_longest(named, _ocr_texts(ocr), described[: len(named)]):
        image = one or _NONE
        image = image._replace(
            ocr=text if image.ocr is None else image.ocr, caption=caption if image.caption is None else image.caption
        )
        if image.uri or image.ocr is not None:
            found.append(image)
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


def _images(value: Any, exists: Exists) -> list[FoundImage]:
    if value is None or is_nan(value):
        return []
    if isinstance(value, str):
        value = split_images(value, exists)
    elif not isinstance(value, list | tuple):
        value = [value]
    return list(map(_image, value))


def _image(value: Any) -> FoundImage:
    if value is None or is_nan(value):
        return _NONE
    if isinstance(value, bytes):
        return FoundImage(inline_uri(value))
    if isinstance(value, str):
        return FoundImage(encodable(value))
    if not isinstance(value, Mapping):
        raise FieldError(f"images must be paths, URIs or bytes; here one is {shown(value)}")
    content = _content(value)
    names = [name for name in URI_FIELDS if name in value]
    if content is None and not names and not _has_null_content(value):
        raise FieldError(f"images need one of {', '.join(URI_FIELDS)}; here one has {', '.join(map(str, value))}")
    # Bytes win over a name beside them: they are what the row itself holds.
    uri = inline_uri(content) if content is not None else _first_place(value, names)
    ocr = _first(value, OCR_FIELDS)
    caption = text_of("caption", _first(value, CAPTION_FIELDS))
    return FoundImage(uri, None if ocr is None else _ocr_text(ocr), caption)


def _first(image: Mapping[Any, Any], names: Iterable[str]) -> Any:
    """Return the first value among the fields `names` that is not null, null without one."""
    return next((image[name] for name in names if image.get(name) is not None), None)


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
    return list(map(_ocr_text, _entries(value)))


def _texts(field: str, value: Any) -> list[str | None]:
    return [text_of(field, one) for one in _entries(value)]


def _entries(value: Any) -> Sequence[Any]:
    """Return what goes with images in their order: the entries of a list, also of one written as text, or one value."""
    if isinstance(value, str):
        if value in NO_VALUE:
            return []
        entries = listed(value)
        value = entries if entries is not None else [value]
    if value is None or is_nan(value):
        return []
    return value if isinstance(value, list | tuple) else [value]


def _ocr_text(value: Any) -> str | None:
    """Return the text of what a reader of images found: a text, an object that has one beside boxes, or a list of these."""
    if isinstance(value, list | tuple):
        for one in value:
            if one is not None and not isinstance(one, str | Mapping):
                raise FieldError(f"ocr must be text, or objects with a text; here it is {shown(value)}")
        return lines(map(_ocr_text, value))
    return text_in("ocr", value) if isinstance(value, Mapping) else scalar_text("ocr", value)
