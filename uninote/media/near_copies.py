"""Hashes of what an image looks like, by which near copies of it are found: PDQ, of the package `pdqhash`.

Source: Meta, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019, which gives both limits.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np
from PIL import Image

from uninote.errors import ConfigError

BITS = 256
MAX_DISTANCE = 31  # bits in which a near copy may differ
LEAST_QUALITY = 50  # of 100: below, an image has too little in it to be told from others
_SIDE = 512  # of what is hashed, at most: the hash goes down to 64 itself, and more pixels cost time alone


class ImageHash(NamedTuple):
    """`bits`, 32 bytes, and `quality`, 0 to 100: how much there is in the image to tell it by."""

    bits: bytes
    quality: int


def require_hashing() -> None:
    """Raise ConfigError where the package that hashes is not installed."""
    try:
        import pdqhash  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"match.near_copies needs the package pdqhash ({error}), which is compiled where it is installed: "
            "pip install 'uninote[pdq]' on the driver and on every executor, or leave match.near_copies off"
        ) from error


def can_hash() -> bool:
    """Say whether the package that hashes is installed."""
    return importlib.util.find_spec("pdqhash") is not None


def image_hash(image: Image.Image) -> ImageHash:
    """Return the hash of an image in RGB."""
    import pdqhash  # an extra: whoever needs none of it has none

    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    bits, quality = pdqhash.compute(np.asarray(small))
    return ImageHash(np.packbits(bits).tobytes(), int(quality))
