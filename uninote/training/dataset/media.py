"""The images of a training set, found by digest: on disk in one memory-mapped file, not in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from uninote.media.images import ImageError, Reduced, reduced
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.host_copy import HostCopy

MAX_PIXELS = 50_000_000


class ImageStore:
    """Random access to encoded images. Parquet has none, so this host's copy of them is an Arrow file."""

    def __init__(self, copy: HostCopy) -> None:
        """Map the images of `copy`. Raises TrainingSetError for a digest without content."""
        self._contents = copy.table("images")["content"]
        self._digests = copy.array("digests")
        self._rows = copy.array("rows")
        if self._contents.null_count:
            raise TrainingSetError(f"images: {self._contents.null_count} rows have no content")

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Return which of `digests` are not there."""
        return [digest for digest in digests if self._row(digest) is None]

    def image(self, digest: str, reduce: Callable[[Image.Image], Reduced]) -> Reduced:
        """Return what `reduce` makes of the image: RGB, transparency on white. Raises TrainingSetError if it is broken."""
        try:
            return reduced(self.content(digest), MAX_PIXELS, reduce)
        except ImageError as error:
            raise TrainingSetError(f"images: {digest!r} {error}; leave out notes whose images are broken") from error

    def content(self, digest: str) -> bytes:
        """Return the encoded image. Raises TrainingSetError where there is none."""
        row = self._row(digest)
        if row is None:
            raise TrainingSetError(f"images: {digest!r} is named by an item and is not there")
        content: bytes = self._contents[row].as_py()
        return content

    def _row(self, digest: str) -> int | None:
        place = int(np.searchsorted(self._digests, np.bytes_(digest)))
        if place == len(self._digests) or self._digests[place] != digest.encode():
            return None
        return int(self._rows[place])
