"""Pixels out of encoded images: which formats are read, how large they may be, and what every mode becomes."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

from PIL import Image, ImageOps, UnidentifiedImageError

# Named, so that no parser runs that starts programs (EPS) or reads a second header (ICO) after the size was checked.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")

# The caller's own limit decides, and Pillow refuses for good at 179 million pixels. Once, here: a filter around each
# call would be changed for all threads at once, and left changed where two of them overlap.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class ImageError(ValueError):
    """Bytes that are no usable image. `reason` is a stable word, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return ImageError, (self.reason, str(self))  # errors cross process borders


def to_image(content: bytes, max_pixels: int) -> Image.Image:
    """Return the image upright, in RGB, transparency on white, the first frame of an animation.

    Raises ImageError with media_too_many_pixels, before anything is decoded, or media_undecodable.
    """
    try:
        return _decode(content, max_pixels)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("media_too_many_pixels", str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError("media_undecodable", f"not an image of a known format ({', '.join(FORMATS)})") from error
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise ImageError("media_undecodable", f"cannot be decoded: {type(error).__name__}: {error}") from error


def _decode(content: bytes, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            detail = f"has {width} x {height} pixels, more than the {max_pixels:,} allowed (max_pixels)"
            raise ImageError("media_too_many_pixels", detail)
        image.load()
        with suppress(Exception):  # broken EXIF says nothing about the pixels
            ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGB", layer.size, "white")
        canvas.paste(layer, mask=layer.getchannel("A"))  # in place: a large image fits few times into memory
        return canvas
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey values, which Pillow's own conversion would clip at 255: 16 bits by 257, others to fill the range."""
    if image.mode.startswith("I;16"):
        low, high, image = 0.0, 65535.0, image.convert("I")
    else:
        low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
        if image.mode == "I" and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0
    scale = 255 / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
