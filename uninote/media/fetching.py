"""Images out of URIs: the one place that opens media files, and that says why one cannot be used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from PIL import Image

from uninote.errors import UninoteError
from uninote.media.images import ImageError, Reduced, reduced
from uninote.media.places import MediaPolicy as MediaPolicy
from uninote.media.places import places_of
from uninote.storage.files import read_bytes, stat
from uninote.storage.local import local_path
from uninote.storage.types import (
    SCHEME,
    ForbiddenFileError,
    MissingFileError,
    SlowFileError,
    StorageError,
    UnreachableError,
    is_remote,
)

INLINE = re.compile(r"inline:[0-9a-f]{64}")
UNREACHABLE = "unreachable"  # instead of a version or a digest
MISSING = "missing"  # instead of a version
IN_ROW = "inline"  # instead of a version
TRANSIENT = frozenset({"media_unreachable", "media_timeout"})  # reasons that may pass by themselves
Found = TypeVar("Found")


class MediaError(UninoteError):
    """An image that cannot be used. `reason` is a stable word for tables, the message is for people."""

    def __init__(self, reason: str, uri: str, detail: str) -> None:
        super().__init__(f"image {_short(uri)}: {detail}")
        self.reason = reason
        self.uri = uri
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, str]]:
        # Pickled by its parts: errors go from worker processes to the driver.
        return MediaError, (self.reason, self.uri, self.detail)


def inline_uri(content: bytes) -> str:
    """Return the URI of an image that comes with its row: "inline:" and the content's SHA-256."""
    return f"inline:{hashlib.sha256(content).hexdigest()}"


def file_version(uri: str, policy: MediaPolicy) -> str:
    """Return size and time (local) or etag (S3) of the file, IN_ROW, or MISSING when there is none to read.

    UNREACHABLE when the store does not answer, so that nobody can know. Opens nothing. Raises StorageError when no file of a
    store can be read, however long one waits.
    """
    if INLINE.fullmatch(uri):
        return IN_ROW
    try:
        status = _first(uri, policy, lambda place: stat(place, policy.s3))
    except MediaError as error:
        return UNREACHABLE if error.reason in TRANSIENT else MISSING
    return f"{status.size}-{status.version}"


def file_digest(uri: str, policy: MediaPolicy) -> str:
    """Return the SHA-256 of the file's bytes, which are read whole; the reason where this one file cannot be used.

    UNREACHABLE when the store does not answer. Of an inline URI nothing is read: it names its hash. What was hashed is put
    into the policy's copies. Raises StorageError when no file of a store can be read.
    """
    if INLINE.fullmatch(uri):
        return uri.partition(":")[2]
    try:
        content = fetch(uri, policy)
    except MediaError as error:
        return UNREACHABLE if error.reason in TRANSIENT else error.reason
    if policy.copies is not None:
        policy.copies.put(uri, content)
    return hashlib.sha256(content).hexdigest()


def copied(uri: str, policy: MediaPolicy) -> bytes | None:
    """Return the content that was hashed in this run, if this host has a copy."""
    return None if policy.copies is None else policy.copies.get(uri)


def load_image(uri: str, policy: MediaPolicy, inline: Mapping[str, bytes] | None = None) -> Image.Image:
    """Return the image upright, in RGB, transparency on white, the first frame of an animation.

    `inline` has the content of inline URIs. Raises MediaError, whatever is wrong with the URI, the file or its content;
    StorageError when no file of a store can be read. Pillow's own limit (179 million pixels) holds beside `policy.max_pixels`.
    """
    return decode(fetch(uri, policy, inline), uri, policy)


def fetch(uri: str, policy: MediaPolicy, inline: Mapping[str, bytes] | None = None) -> bytes:
    """Return the file's content, or that of an inline URI from `inline`: from 1 to `policy.max_bytes` bytes.

    Raises MediaError when this one file cannot be used, StorageError when no file of a store can be.
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
        except UnreachableError as error:
            raise MediaError("media_unreachable", uri, str(error)) from error
    raise refusal or MediaError("media_missing", uri, "there is no such file")


def _places(uri: str, policy: MediaPolicy) -> tuple[str, ...]:
    """Return where below the roots the file may be: real paths, and S3 URIs. Raises MediaError when that is nowhere."""
    places = places_of(_checked(uri), policy)
    if not places.is_inside:
        raise MediaError("media_outside_roots", uri, f"outside the places allowed: {list(policy.roots)} (media.roots)")
    return places.found


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


def _short(uri: str) -> str:
    return repr(uri if len(uri) <= 200 else uri[:200] + "...")
