"""Pixels out of encoded images: which formats are read, how large they may be, and what every mode becomes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from PIL import Image, ImageOps, UnidentifiedImageError

from uninote.media.decoding_memory import DECODING, decoding_bytes
from uninote.media.png_chunks import without_odd_chunks

# Named, so that no parser runs that starts programs (EPS) or reads a second header (ICO) after the size was checked.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
BAND_PIXELS = 1 << 18

Reduced = TypeVar("Reduced")

# The caller's own limit decides, and Pillow refuses for good at 179 million pixels. Once, here: a filter around each
# call would be changed for all threads at once, and left changed where two of them overlap.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class ImageError(ValueError):
    """Bytes that are no usable image. `reason` is a stable word, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        # Pickled by its parts: errors go from worker processes to the driver.
        return ImageError, (self.reason, str(self))


def to_image(content: bytes, max_pixels: int) -> Image.Image:
    """Return the image upright, in RGB, transparency on white, the first frame of an animation.

    Raises ImageError with media_too_many_pixels, before anything is decoded, or media_undecodable.
    """
    return reduced(content, max_pixels, lambda image: image)


def reduced(content: bytes, max_pixels: int, reduce: Callable[[Image.Image], Reduced]) -> Reduced:
    """Return what `reduce` makes of the image, as `to_image` returns it; raises as that does.

    All threads of the process together hold no more decoded pixels than DECODING_BYTES, `reduce` included: others wait.
    """
    with ExitStack() as held:
        return reduce(_image(content, max_pixels, held))


def _image(content: bytes, max_pixels: int, held: ExitStack) -> Image.Image:
    try:
        return _explained(content, max_pixels, held)
    except ImageError as error:
        refusal = error
    sound = without_odd_chunks(content) if refusal.reason == "media_undecodable" else content
    if len(sound) == len(content):
        raise refusal
    held.close()
    return _explained(sound, max_pixels, held)


def _explained(content: bytes, max_pixels: int, held: ExitStack) -> Image.Image:
    try:
        return _decode(content, max_pixels, held)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("media_too_many_pixels", str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError("media_undecodable", f"not an image of a known format ({', '.join(FORMATS)})") from error
    except Exception as error:
        # Decoders raise exceptions of many kinds on hostile bytes.
        raise ImageError("media_undecodable", f"cannot be decoded: {type(error).__name__}: {error}") from error


def _decode(content: bytes, max_pixels: int, held: ExitStack) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            detail = f"has {width} x {height} pixels, more than the {max_pixels:,} allowed (max_pixels)"
            raise ImageError("media_too_many_pixels", detail)
        held.enter_context(DECODING.hold(decoding_bytes(image)))
        image.load()
        # An image with broken EXIF is read all the same: it says nothing about the pixels.
        with suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB, converted band by band, so that a large image is not in memory several times."""
    if image.has_transparency_data:
        return _converted(image, _on_white)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        low, high = _range(image)
        return _converted(image, lambda band: _to_eight_bits(band, low, high))
    if image.mode == "RGB":
        return image
    return _converted(image, lambda band: band.convert("RGB"))


def _converted(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    width, height = image.size
    canvas = Image.new("RGB", image.size)
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        canvas.paste(convert(image.crop(box)), box)
    return canvas


def _on_white(band: Image.Image) -> Image.Image:
    layer = band if band.mode == "RGBA" else band.convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the grey values that become black and white: those of 16 bits, others fill the range."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = map(float, image.getextrema())  # type: ignore[arg-type]
    if image.mode == "I" and low >= 0 and high <= 65535:
        return 0.0, 65535.0
    return low, high


def _to_eight_bits(band: Image.Image, low: float, high: float) -> Image.Image:
    """Scale grey values, which Pillow's own conversion would clip at 255."""
    if band.mode.startswith("I;16"):
        band = band.convert("I")
    scale = 255 / (high - low) if high > low else 0.0
    return band.convert("F").point(lambda value: value * scale - low * scale).convert("L").convert("RGB")
