"""Images out of URIs: the one place that opens media files, and that says why one cannot be used."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageOps, UnidentifiedImageError

from uninote.errors import UninoteError

# Named, so that no parser runs that starts programs (EPS) or reads a second header (ICO) after the size was checked.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(data|file):", re.IGNORECASE)


@dataclass(frozen=True)
class MediaPolicy:
    """Which files may be opened, and how large they may be.

    Relative URIs resolve against each of `roots` in turn; nothing outside all of them is ever opened.
    """

    roots: tuple[str, ...]
    max_bytes: int
    max_pixels: int


class MediaError(UninoteError):
    """An image that cannot be used. `reason` is a stable word for tables, the message is for people."""

    def __init__(self, reason: str, uri: str, detail: str) -> None:
        super().__init__(f"image {_short(uri)}: {detail}")
        self.reason = reason
        self.uri = uri
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, str]]:
        return MediaError, (self.reason, self.uri, self.detail)  # errors cross process borders


def fingerprint(uri: str, policy: MediaPolicy) -> str:
    """Return size and modification time of the file, or "missing" when there is none to read. Opens nothing."""
    try:
        status = _locate(uri, policy).stat()
    except (MediaError, OSError):
        return "missing"
    return f"{status.st_size}-{status.st_mtime_ns}"


def load_image(uri: str, policy: MediaPolicy) -> Image.Image:
    """Return the image upright, in RGB, transparency on white, the first frame of an animation.

    Raises MediaError, whatever is wrong with the URI, the file or its content. Pillow's own limit (179 million pixels)
    holds beside `policy.max_pixels`.
    """
    content = _read_bytes(uri, policy)
    try:
        return _decode(content, uri, policy)
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError("media_too_many_pixels", uri, str(error)) from error
    except UnidentifiedImageError as error:
        raise MediaError("media_undecodable", uri, f"not an image of a known format ({', '.join(FORMATS)})") from error
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise MediaError("media_undecodable", uri, f"cannot be decoded: {type(error).__name__}: {error}") from error


def _read_bytes(uri: str, policy: MediaPolicy) -> bytes:
    """Fetch the file: the seam where other stores than the local one will come in."""
    path = _locate(uri, policy)
    try:
        with path.open("rb") as file:
            content = file.read(policy.max_bytes + 1)
    except OSError as error:
        raise MediaError("media_missing", uri, f"cannot be read: {error.strerror}") from error
    if not content:
        raise MediaError("media_empty", uri, "the file is empty")
    if len(content) > policy.max_bytes:
        raise MediaError("media_too_large", uri, f"has more than the {policy.max_bytes:,} bytes allowed (max_bytes)")
    return content


def _locate(uri: str, policy: MediaPolicy) -> Path:
    """Return the real path of an existing regular file below a root, with every symlink and '..' resolved."""
    path, inside = _local_path(uri), False
    for root in policy.roots:
        try:
            real_root = Path(root).resolve()
            real = (real_root / path).resolve()
            if not real.is_relative_to(real_root):
                continue
            inside = True
            if real.is_file():  # a pipe or a device would block, or never end
                return real
        except (OSError, ValueError, RuntimeError):  # a NUL, a lone surrogate, a name too long, a loop of symlinks
            inside = True
    if not inside:
        raise MediaError("media_outside_roots", uri, f"outside the folders allowed: {list(policy.roots)} (media.roots)")
    raise MediaError("media_missing", uri, "there is no such file")


def _local_path(uri: str) -> str:
    if not uri.strip():
        raise MediaError("media_missing", uri, "the URI is empty")
    match = SCHEME.match(uri)
    if match is None:
        return uri
    scheme = (match[1] or match[2]).lower()
    parts = _split(uri) if scheme == "file" else None
    if parts is None or parts[0] not in ("", "localhost"):
        raise MediaError("media_unsupported_scheme", uri, f"only local files can be read, not {scheme}: URIs")
    return unquote(parts[1])


def _split(uri: str) -> tuple[str, str]:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise MediaError("media_missing", uri, f"not a URI: {error}") from error
    return parts.netloc, parts.path


def _decode(content: bytes, uri: str, policy: MediaPolicy) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the policy's own limit decides, below
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
    with opened as image:
        width, height = image.size
        if width * height > policy.max_pixels:
            detail = f"has {width} x {height} pixels, more than the {policy.max_pixels:,} allowed (max_pixels)"
            raise MediaError("media_too_many_pixels", uri, detail)
        image.load()
        return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF says nothing about the pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(canvas, layer).convert("RGB")
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


def _short(uri: str) -> str:
    return repr(uri if len(uri) <= 200 else uri[:200] + "...")
