"""Images out of URIs: the one place that opens media files, and that says why one cannot be used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image

from uninote.errors import UninoteError
from uninote.images import ImageError, Reduced, reduced
from uninote.storage import (
    SCHEME,
    ForbiddenFileError,
    MissingFileError,
    S3Options,
    SlowFileError,
    StorageError,
    is_remote,
    local_path,
    read_bytes,
    stat,
)

INLINE = re.compile(r"inline:[0-9a-f]{64}")
Found = TypeVar("Found")


@dataclass(frozen=True)
class MediaPolicy:
    """Which files may be opened, how large they may be, and how S3 is reached.

    Roots are local folders or `s3://bucket/prefix`. Relative URIs resolve against each of them in turn; nothing outside
    all of them is ever opened.
    """

    roots: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    s3: S3Options = field(default_factory=S3Options)


class MediaError(UninoteError):
    """An image that cannot be used. `reason` is a stable word for tables, the message is for people."""

    def __init__(self, reason: str, uri: str, detail: str) -> None:
        super().__init__(f"image {_short(uri)}: {detail}")
        self.reason = reason
        self.uri = uri
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, str]]:
        return MediaError, (self.reason, self.uri, self.detail)  # errors cross process borders


def inline_uri(content: bytes) -> str:
    """Return the URI of an image that comes with its row: "inline:" and the content's SHA-256."""
    return f"inline:{hashlib.sha256(content).hexdigest()}"


def fingerprint(uri: str, policy: MediaPolicy) -> str:
    """Return size and time (local) or etag (S3) of the file, "inline", or "missing" when there is none to read.

    Opens nothing. Raises StorageError when a store as a whole cannot be used.
    """
    if INLINE.fullmatch(uri):
        return "inline"
    try:
        status = _first(uri, policy, lambda place: stat(place, policy.s3))
    except MediaError:
        return "missing"
    return f"{status.size}-{status.version}"


def load_image(uri: str, policy: MediaPolicy) -> Image.Image:
    """Return the image upright, in RGB, transparency on white, the first frame of an animation.

    Raises MediaError, whatever is wrong with the URI, the file or its content; StorageError when a store as a whole
    cannot be used. Pillow's own limit (179 million pixels) holds beside `policy.max_pixels`.
    """
    return decode(fetch(uri, policy), uri, policy)


def fetch(uri: str, policy: MediaPolicy, inline: Mapping[str, bytes] | None = None) -> bytes:
    """Return the file's content, or that of an inline URI from `inline`: from 1 to `policy.max_bytes` bytes.

    Raises MediaError when this one file cannot be used, StorageError when a store as a whole cannot.
    """
    if INLINE.fullmatch(uri):
        content = _inline(uri, inline or {})
    else:
        content = _first(uri, policy, lambda place: read_bytes(place, policy.s3, policy.max_bytes))
    if not content:
        raise MediaError("media_empty", uri, "the file is empty")
    if len(content) > policy.max_bytes:
        raise MediaError("media_too_large", uri, f"has more than the {policy.max_bytes:,} bytes allowed (max_bytes)")
    return content


def decode(content: bytes, uri: str, policy: MediaPolicy) -> Image.Image:
    """Return the image that `content`, fetched from `uri`, holds, as `load_image` does. Several threads may call it."""
    return decode_reduced(content, uri, policy, lambda image: image)


def decode_reduced(content: bytes, uri: str, policy: MediaPolicy, reduce: Callable[[Image.Image], Reduced]) -> Reduced:
    """Return what `reduce` makes of the image, while which other threads may have to wait: see `images.reduced`."""
    try:
        return reduced(content, policy.max_pixels, reduce)
    except ImageError as error:
        raise MediaError(error.reason, uri, str(error)) from error


def _inline(uri: str, inline: Mapping[str, bytes]) -> bytes:
    if uri not in inline:
        raise MediaError("media_missing", uri, "its content did not come with the row")
    return inline[uri]


def _first(uri: str, policy: MediaPolicy, use: Callable[[str], Found]) -> Found:
    """Apply `use` to the first place below a root that has the file; a refusal counts only when no other root has it."""
    refusal: MediaError | None = None
    for place in _places(uri, policy):
        try:
            return use(place)
        except MissingFileError:
            continue
        except ForbiddenFileError as error:
            refusal = refusal or MediaError("media_forbidden", uri, str(error))
        except SlowFileError as error:
            raise MediaError("media_timeout", uri, str(error)) from error
    raise refusal or MediaError("media_missing", uri, "there is no such file")


def _places(uri: str, policy: MediaPolicy) -> list[str]:
    """Return where below the roots the file may be: real paths, and S3 URIs. Raises MediaError when that is nowhere."""
    path = _checked(uri)
    places, inside = [], False
    for root in policy.roots:
        try:
            place = _below_s3(root, path) if is_remote(root) else _below_folder(root, path)
        except (OSError, ValueError, RuntimeError):  # a NUL, a lone surrogate, a name too long, a loop of symlinks
            inside = True
            continue
        if place is not None:
            places.append(place)
    if not places and not inside:
        raise MediaError("media_outside_roots", uri, f"outside the places allowed: {list(policy.roots)} (media.roots)")
    return places


def _checked(uri: str) -> str:
    """Return a remote URI as it is, and the path of any other."""
    if not uri.strip():
        raise MediaError("media_missing", uri, "the URI is empty")
    if SCHEME.match(uri) is None or is_remote(uri):
        return uri
    try:
        return str(local_path(uri))
    except MissingFileError as error:
        raise MediaError("media_missing", uri, str(error)) from error
    except StorageError as error:
        raise MediaError("media_unsupported_scheme", uri, str(error)) from error


def _below_folder(root: str, path: str) -> str | None:
    """Return the real path with every symlink and '..' resolved, or None when it is not below the folder."""
    if is_remote(path):
        return None
    real_root = local_path(root).resolve()
    real = (real_root / path).resolve()
    return str(real) if real.is_relative_to(real_root) else None


def _below_s3(root: str, path: str) -> str | None:
    """Return the URI of the object, or None when it is not below the root, component by component.

    An object store has no '..', but programs on the way to it do, so that a key with one is never asked for.
    """
    bucket, prefix = _bucket_and_key(root)
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    if is_remote(path):
        own_bucket, key = _bucket_and_key(path)
    else:
        own_bucket, key = bucket, folder + path
    segments = key.split("/")
    if own_bucket != bucket or Path(path).is_absolute() or ".." in segments:
        return None
    key = "/".join(segment for segment in segments if segment != ".")
    return f"s3://{bucket}/{key}" if key.startswith(folder) else None


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _short(uri: str) -> str:
    return repr(uri if len(uri) <= 200 else uri[:200] + "...")
