"""The bytes of images that are known by their hash, for tasks that look into each of them once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from PIL import Image

from uninote.media.fetching import TRANSIENT, MediaError, MediaPolicy, copied, decode_reduced, fetch

Made = TypeVar("Made")


def look_into(
    row: Mapping[str, Any], media: MediaPolicy, reduce: Callable[[Image.Image], Made]
) -> tuple[Made | None, str | None] | None:
    """Return what `reduce` makes of the image of a row (digest, uri, content), or why it cannot be decoded.

    `content` is null but for inline images. Null where a store does not give it now, or gives other bytes than were hashed:
    nothing is said of those, and the next run asks again.
    """
    uri = row["uri"]
    try:
        content = copied(uri, media)
        if content is None:
            content = fetch(uri, media, {} if row["content"] is None else {uri: row["content"]})
        if hashlib.sha256(content).hexdigest() != row["digest"]:
            return None
        return decode_reduced(content, uri, media, reduce), None
    except MediaError as error:
        if error.reason in TRANSIENT or error.reason == "media_missing":
            return None
        return None, error.reason
