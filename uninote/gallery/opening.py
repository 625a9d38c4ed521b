"""A gallery opened for the moment of upload: a note is held against all entries without Spark, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from PIL.Image import Image

from uninote.errors import UninoteError
from uninote.gallery.comparing import compare
from uninote.gallery.entries import COLUMNS, Entries, make_entries
from uninote.gallery.found import BYTES, PDQ, Match, best_of_entries
from uninote.gallery.images import HASHES, EntryImages, ImageHit
from uninote.gallery.kinds import KINDS
from uninote.gallery.stored import thresholds_of
from uninote.gallery.thresholds import ACT, REVIEW, Thresholds
from uninote.lake.releases.pointer import live_release
from uninote.lake.small_tables import read_batches
from uninote.media.near_copies import can_hash, image_hash
from uninote.model.encoder import Encoder
from uninote.notes.note import Note
from uninote.storage.lake_files import join
from uninote.vectors.unit_length import are_unit
from uninote.vectors.widths import truncate

_TABLES = ("gallery", "match_thresholds")


class NoGalleryError(UninoteError):
    """The lake has no gallery for readers."""


class Gallery:
    """The enabled entries of a gallery and the thresholds of one release, in memory. It may be used by several threads."""

    def __init__(
        self, entries: Entries, thresholds: Thresholds, generation: str, images: EntryImages | None = None
    ) -> None:
        """`images` null: entries are found by embeddings alone."""
        self.generation = generation
        self._entries = entries
        self._images = images
        self._limits = thresholds.table(entries.groups)
        self._ids = entries.ids.to_pylist()

    @classmethod
    def open(cls, lake: str) -> Gallery:
        """Open the gallery of the live release of the lake at `lake`.

        Raises NoGalleryError where it has none.
        """
        release = live_release(lake)
        names = {} if release is None else dict(release.tables)
        generation = "" if release is None else release.generation
        places = {name: f"{generation}/{name}" for name in _TABLES}
        if places["gallery"] not in names:
            raise NoGalleryError(
                f"the live release of {lake} has no gallery; set match.gallery, and run jobs/refresh.py, which publishes one"
            )
        uri = join(lake, places["gallery"])
        rows = pa.Table.from_batches(list(read_batches(uri, (*COLUMNS, *HASHES), names[places["gallery"]])))
        has_limits = places["match_thresholds"] in names
        version = names.get(places["match_thresholds"])
        thresholds = thresholds_of(join(lake, places["match_thresholds"]), version) if has_limits else Thresholds({})
        return cls(make_entries(rows, _width_of(rows)), thresholds, generation, EntryImages(rows))

    def __len__(self) -> int:
        """Return the number of parts of entries that a note is held against."""
        return len(self._entries)

    @property
    def width(self) -> int:
        """The numbers of a vector; 0 where no part of an entry has one."""
        return int(self._entries.vectors.shape[1])

    def match(self, vectors: np.ndarray, kind: str = "note") -> list[Match]:
        """Return the entries that items come near to, those to act on first, then by what they are above their thresholds.

        `vectors` float32 (n, width) or (width,), of unit length, of the gallery's generation, and of items of one `kind`: the
        note as a whole, or its images, text or OCR strings, whose position is their row. Raises UninoteError for others.
        """
        if kind not in KINDS:
            raise UninoteError(f"the kind is {kind!r}; items are of {', '.join(KINDS)}")
        if not len(self):
            return []
        items = np.atleast_2d(np.asarray(vectors, np.float32))
        self._check(items)
        return best_of_entries(self._found(items, kind))

    def _check(self, items: np.ndarray) -> None:
        if items.ndim != 2 or items.shape[1] != self.width:
            raise UninoteError(
                f"the vectors are {items.shape}; they must be (n, {self.width}), of the gallery's width: cut them to it"
            )
        wrong = np.flatnonzero(~are_unit(items))
        if len(wrong):
            raise UninoteError(
                f"{len(wrong):,} of the {len(items):,} vectors are not of unit length (the first one's is "
                f"{np.linalg.norm(items[wrong[0]]):.6g}); divide each by its length"
            )

    def match_note(
        self, encoder: Encoder, note: Note, images: Sequence[Image] = (), contents: Sequence[bytes] = ()
    ) -> list[Match]:
        """Return what `match` does for a note and all its parts, embedded in one pass, and what `match_images` does.

        `images` are the note's, as `load_image` returns them, `contents` their bytes, where these are at hand. Raises
        UninoteError for an encoder of another generation's width.
        """
        found = self.match_images(images, contents)
        if not len(self):
            # Entries of images alone have no vectors where the model sees none.
            return found
        parts = list(_parts(note, list(images)))
        prepared = [encoder.prepare(part, shown) for _, part, shown in parts]
        vectors = truncate(np.asarray(encoder.embed(prepared)), self.width)
        for kind in KINDS:
            mine = [row for row, (of_kind, _, _) in enumerate(parts) if of_kind == kind]
            if mine:
                found += self._found(vectors[mine], kind)
        return best_of_entries(found)

    def match_images(self, images: Sequence[Image], contents: Sequence[bytes] = ()) -> list[Match]:
        """Return the entries of whose images a note's have the bytes, or are near copies, without a model.

        Near copies are found where the gallery was hashed (`match.near_copies`) and the extra pdq is installed: see
        `finds_near_copies`.
        """
        if self._images is None:
            return []
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        hits = [_of_image(hit, BYTES) for hit in self._images.identical(digests)]
        if self.finds_near_copies:
            hits += [_of_image(hit, PDQ) for hit in self._images.near_copies([image_hash(image) for image in images])]
        return best_of_entries(hits)

    @property
    def finds_near_copies(self) -> bool:
        """Whether `match_images` looks for near copies."""
        return self._images is not None and self._images.are_hashed and can_hash()

    def _found(self, vectors: np.ndarray, kind: str) -> list[Match]:
        entries = self._entries
        if not len(entries):
            return []
        limits = self._limits[:, KINDS.index(kind)]
        found = []
        for block in compare(entries, vectors, limits[:, 1]):
            for row, part, score in zip(*(values.tolist() for values in block.hits), strict=True):
                group = int(np.searchsorted(entries.starts, part, side="right")) - 1
                found.append(self._match(group, part, score, (kind, block.first + row)))
        return found

    def _match(self, group: int, part: int, score: float, item: tuple[str, int]) -> Match:
        entry_kind, category = self._entries.groups[group]
        kind, position = item
        act, review = self._limits[group, KINDS.index(kind)].tolist()
        acts = score >= act and not self._entries.generic[part]
        decision, threshold = (ACT, act) if acts else (REVIEW, review)
        return Match(self._ids[part], category, decision, score, threshold, entry_kind, kind, position)


def _of_image(hit: ImageHit, found_by: str) -> Match:
    decision = REVIEW if hit.generic else ACT
    return Match(hit.entry_id, hit.category, decision, hit.score, None, "image", "image", hit.position, found_by)


def _width_of(rows: pa.Table) -> int:
    for vector in rows["vector"]:
        if vector.is_valid:
            return len(vector)
    return 0


def _parts(note: Note, images: list[Image]) -> Iterator[tuple[str, Note, list[Image]]]:
    """Yield the items of a note: the kind, what the encoder sees of it, and its images."""
    yield "note", note, images
    if note.title or note.body or note.topics:
        yield "text", Note(title=note.title, body=note.body, topics=note.topics), []
    for shown, image in zip(note.images, images, strict=False):
        yield "image", Note(images=(type(shown)(shown.uri, ""),)), [image]
    for shown in note.images:
        if shown.ocr.strip():
            yield "ocr", Note(body=shown.ocr), []
