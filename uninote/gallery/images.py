"""Images of a gallery's entries without a model: those of the same bytes, and near copies by what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.media.near_copies import BITS, LEAST_QUALITY, MAX_DISTANCE, ImageHash
from uninote.notes.hashing import content_hash
from uninote.notes.note import Note, NoteImage
from uninote.vectors.hamming import BitStrings

HASHES = ("image_bits", "image_quality")  # columns of the gallery beside those of `uninote.gallery.entries`
_TOLD = ("entry_id", "category", "generic")


class ImageHit(NamedTuple):
    """The image `position` of a note that is an entry's; `score` is 1, or of a near copy the share of bits that are equal."""

    position: int
    entry_id: str
    category: str
    generic: bool
    score: float


class EntryImages:
    """The images of enabled entries: by their bytes those that a model sees, by PDQ hashes those that can be told by one."""

    def __init__(self, rows: pa.Table) -> None:
        """`rows` of the table gallery have the COLUMNS of `uninote.gallery.entries`, and HASHES."""
        images = rows.filter(pc.and_(rows["enabled"], pc.equal(rows["kind"], "image")))
        seen = images.filter(pc.is_valid(images["vector"]))
        self._by_content: dict[str, list[dict[str, object]]] = {}
        for content, told in zip(seen["content_hash"].to_pylist(), seen.select(_TOLD).to_pylist(), strict=True):
            self._by_content.setdefault(content, []).append(told)
        hashed = images.filter(pc.greater_equal(images["image_quality"], LEAST_QUALITY))
        self._hashed = hashed.select(_TOLD).to_pylist()
        bits = b"".join(hashed["image_bits"].to_pylist())
        self._bits = BitStrings(np.frombuffer(bits, np.uint8).reshape(-1, BITS // 8)) if bits else None

    @property
    def are_hashed(self) -> bool:
        """Whether near copies of any can be found."""
        return self._bits is not None

    def identical(self, digests: Sequence[str]) -> list[ImageHit]:
        """Return the entries' images whose bytes are those of some images, by the SHA-256 of these in hexadecimal."""
        found = []
        for position, digest in enumerate(digests):
            alone = content_hash(Note(images=(NoteImage("", ""),)), [digest])
            found += [ImageHit(position, **told, score=1.0) for told in self._by_content.get(alone, ())]  # type: ignore[arg-type]
        return found

    def near_copies(self, hashes: Sequence[ImageHash]) -> list[ImageHit]:
        """Return the entries' images that differ from some images in MAX_DISTANCE bits at most, both of enough quality."""
        told = [place for place, one in enumerate(hashes) if one.quality >= LEAST_QUALITY]
        if self._bits is None or not told:
            return []
        asked = np.frombuffer(b"".join(hashes[place].bits for place in told), np.uint8).reshape(len(told), -1)
        near = self._bits.within(asked, MAX_DISTANCE)
        found = []
        for row, other, distance in zip(*(values.tolist() for values in near), strict=True):
            found.append(ImageHit(told[row], **self._hashed[other], score=1 - distance / BITS))
        return found
