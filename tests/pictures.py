"""Small pictures, and what loading them gives."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uninote.media.fetching import MediaError, MediaPolicy, load_image


def policy(*roots: Path, max_bytes: int = 10**6, max_pixels: int = 10**6) -> MediaPolicy:
    return MediaPolicy(tuple(map(str, roots)), max_bytes, max_pixels)


def photo(width: int = 40, height: int = 24) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason_of(uri: str, allowed: MediaPolicy) -> str:
    with pytest.raises(MediaError) as caught:
        load_image(uri, allowed)
    return caught.value.reason


def outcome(uri: str, allowed: MediaPolicy) -> str | bytes:
    """Return the pixels, or the reason why there are none."""
    try:
        return load_image(uri, allowed).tobytes()
    except MediaError as error:
        return error.reason
