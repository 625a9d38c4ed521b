"""How much memory decoding an image takes, and a bound on what all threads of a process decode at once."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image

# Of all threads of a process together; one image that needs more is decoded alone.
DECODING_BYTES = 256 << 20
RETURNED_BYTES = 16 << 20

# Bytes for each pixel that a decoder takes beside the image it fills, measured with Pillow 13. WebP and AVIF are
# decoded into canvases that are copied, JPEG 2000 into 32 bits for each channel.
_DECODER = {"PNG": 0, "GIF": 0, "WEBP": 12, "AVIF": 12, "JPEG2000": 24}
_OTHER_DECODER = 4
_CANVAS = 4  # Pillow keeps RGB in four bytes
_ORIENTATION = 0x0112
# So many times as high as wide: resizing then makes the image wider before it makes it lower.
_NARROW = 200
_NARROW_RESIZED = 256  # pixels, about the widest it becomes


def decoding_bytes(image: Image.Image) -> int:
    """Return about how many bytes decoding, turning, converting and resizing take at once, from the header alone."""
    stored = _stored(image.mode)
    decoder = stored + _decoder(image)
    turned = 2 * stored if _may_turn(image) else 0
    converted = stored + (0 if image.mode == "RGB" and not image.has_transparency_data else _CANVAS)
    per_pixel = max(decoder, turned, converted)
    widened = _CANVAS * _NARROW_RESIZED * image.height if image.height > _NARROW * image.width else 0
    return image.width * image.height * per_pixel + widened


def _stored(mode: str) -> int:
    if mode in ("1", "L", "P"):
        return 1
    return 2 if mode.startswith("I;16") else 4


def _decoder(image: Image.Image) -> int:
    if image.format not in ("JPEG", "MPO"):
        return _DECODER.get(image.format or "", _OTHER_DECODER)
    # All of a progressive JPEG is read before any pixel is known: two bytes for each coefficient of each channel.
    return 2 * len(image.getbands()) if image.info.get("progressive") else 0


def _may_turn(image: Image.Image) -> bool:
    # The EXIF of a PNG may follow its pixels.
    if image.format == "PNG":
        return True
    # Broken EXIF says nothing of the memory that the pixels need.
    with suppress(Exception):
        return int(image.getexif().get(_ORIENTATION, 1)) != 1
    return False


class Budget:
    """Lets threads hold so many bytes together, first come, first served. Who asks for more than all waits for all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.forget()

    def forget(self) -> None:
        """Start afresh: a forked process has none of the threads that held anything."""
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._held = 0

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until `amount` bytes are free, and hold them. A thread must not hold twice, or it may wait for itself."""
        # An image of more than all there is waits until it is alone, and not for ever.
        amount = min(amount, self.limit)
        # First come, first served: a large image would otherwise wait as long as small ones come.
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._held + amount <= self.limit)
                self._held += amount
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            if amount >= RETURNED_BYTES:
                _return_free_memory()
            with self._changed:
                self._held -= amount
                self._changed.notify_all()


def _return_free_memory() -> None:
    """Make glibc give back what was freed: it keeps so much for each thread that eight of them hold eight images."""
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)


# Other C libraries have none, and keep less.
_MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
DECODING = Budget(DECODING_BYTES)
os.register_at_fork(after_in_child=DECODING.forget)
