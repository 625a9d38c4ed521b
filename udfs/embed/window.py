"""One content on its way through an embedding window: what is left of it, what was wrong, what it took."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from udfs.notes.fingerprints import to_note
from uninote.media.fetching import INLINE, TRANSIENT, MediaError, MediaPolicy, copied, decode_reduced, fetch
from uninote.media.near_copies import image_hash
from uninote.model.encoder import Encoder
from uninote.model.input.cuts import WHOLE, Cut
from uninote.notes.note import Note
from uninote.vectors.unit_length import TOLERANCE

_LEAST_NORM = 1e-6  # of the narrowest prefix: less is rounding, and no direction
FACTS = ("degraded", "tokens_cut", "tokens_cut_estimated", "images_left_out")
"""Attributes of a Work that are columns of each of its rows."""

COSTS = (
    "tokens",
    "padded_tokens",
    "unseen_images",
    "images_opened",
    "fetch_s",
    "decode_s",
    "tokenise_s",
    "model_s",
)
"""Attributes of a Work that say what it took."""


@dataclass(eq=False)
class Work:
    """`inline` holds image bytes that came with the row, by URI. Seconds are wall time in the thread that did it.

    `rows` of a window have this content. `unseen_images` are those that the model would not see, and that were not opened
    therefore; `cut` is what else it does not. `hashes`, null where nobody asks, are rows of image_hashes of the images that
    were opened.
    """

    note: Note
    kind: str
    inline: Mapping[str, bytes]
    rows: int = 1
    prepared: Any = None
    vector: np.ndarray | None = None
    rejects: list[tuple[str, str, str, str]] = field(default_factory=list)  # part, kind, reason, message
    tokens: int = 0
    padded_tokens: int = 0
    unseen_images: int = 0
    images_opened: int = 0
    cut: Cut = WHOLE
    hashes: list[dict[str, Any]] | None = None
    fetch_s: float = 0.0
    decode_s: float = 0.0
    tokenise_s: float = 0.0
    model_s: float = 0.0

    @property
    def degraded(self) -> bool:
        """Whether it has a vector, and that lacks a part which could not be read."""
        return self.vector is not None and bool(self.rejects)

    @property
    def tokens_cut(self) -> int:
        """The tokens of its texts that the model does not see."""
        return self.cut.tokens

    @property
    def tokens_cut_estimated(self) -> bool:
        """Whether their number is an estimate."""
        return self.cut.tokens > 0 and self.cut.is_estimate

    @property
    def images_left_out(self) -> int:
        """The images that the model does not see, though nothing is wrong with them."""
        return self.unseen_images + self.cut.images

    @property
    def is_transient(self) -> bool:
        """Say whether something was wrong with an image that may pass by itself."""
        return any(reason in TRANSIENT for _, _, reason, _ in self.rejects)

    @classmethod
    def of(cls, row: Mapping[str, Any], rows: int = 1, *, hashes: bool = False) -> Work:
        """Return the work that a row of items asks for, and others of its content."""
        inline = {image["uri"]: image["content"] for image in row["inline"] or ()}
        return cls(to_note(row), row["kind"], inline, rows, hashes=[] if hashes else None)

    def reject(self, reason: str, message: str) -> None:
        """Say why the item has no vector."""
        self.rejects.append(("", self.kind, reason, message))

    def rejects_of(self, item_id: str) -> list[dict[str, str]]:
        """Return the rejects as rows; a broken part has the item's id and its place."""
        rows = []
        for part, kind, reason, message in self.rejects:
            rows.append({"item_id": f"{item_id}{part}", "kind": kind, "reason": reason, "message": message})
        return rows

    def finish(self, vector: np.ndarray, padded_tokens: int, seconds: float, narrowest: int | None = None) -> None:
        """Take the model's answer and let go of what it was asked.

        What would point nowhere once cut to the `narrowest` width (null: not cut) would be at the same distance from all.
        """
        if not np.isfinite(vector).all():
            self.reject("vector_not_finite", "the model returned NaN or infinity")
        elif np.linalg.norm(vector[:narrowest]) < _LEAST_NORM:
            first = "" if narrowest is None else f"the first {narrowest} of "
            self.reject(
                "vector_zero", f"{first}the numbers that the model returned are all 0: such a vector is near nothing"
            )
        elif abs(float(vector @ vector) - 1) > TOLERANCE:
            length = float(np.linalg.norm(vector))
            self.reject("vector_not_unit", f"the model returned a vector of length {length:.6g}; it must be 1")
        else:
            self.vector = vector
        self.padded_tokens = padded_tokens
        self.model_s = seconds
        # The model's input, often megabytes: later items of the window need the room.
        self.prepared = None


def prepare(encoder: Encoder, media: MediaPolicy, work: Work) -> Work:
    """Fetch, decode and tokenise; where nothing is left for the model, `prepared` stays None and `rejects` say why."""
    note, images = _usable(encoder, work, media) if encoder.sees_images else _text_of(work)
    work.inline = {}
    texts = [note.title, note.body, *note.topics]
    for image in note.images:
        texts.append(image.ocr)
    if images or any(map(str.strip, texts)):
        with _timed(work, "tokenise_s"):
            work.prepared = encoder.prepare(note, images)
        work.tokens = work.prepared.num_tokens
        work.cut = work.prepared.cut
    elif not work.rejects:
        seen = "text and images are" if encoder.sees_images else "text, all that this model sees, is"
        work.reject("note_empty", f"{seen} missing")
    elif work.kind == "image":
        # Its one part is all there is: one reject, under the item's own id.
        _, kind, reason, message = work.rejects[0]
        work.rejects = [("", kind, reason, message)]
    elif work.is_transient:
        work.reject("media_unreachable", "no text, and the store of its images does not answer now")
    else:
        work.reject("note_unusable", "no text, and none of its images can be read")
    return work


def _text_of(work: Work) -> tuple[Note, list[np.ndarray]]:
    """Open no image: the model sees none."""
    work.unseen_images = sum(bool(image.uri) for image in work.note.images)
    return work.note, []


def _usable(encoder: Encoder, work: Work, media: MediaPolicy) -> tuple[Note, list[np.ndarray]]:
    """Leave out images that cannot be read; their OCR texts stay with the note as its body's last lines.

    Once the model would see no further image, the others are left out with their texts, and not opened.
    """
    shown = []
    orphaned = []
    images: list[np.ndarray] = []
    for position, image in enumerate(work.note.images):
        if image.uri and not encoder.sees_more(images):
            work.unseen_images += 1
            continue
        opened = _open(encoder, work, position, media) if image.uri else None
        if opened is None:
            orphaned.append(image.ocr)
        else:
            shown.append(image)
            images.append(opened)
    body = "\n".join(filter(str.strip, [work.note.body, *orphaned]))
    return replace(work.note, body=body, images=tuple(shown)), images


def _open(encoder: Encoder, work: Work, position: int, media: MediaPolicy) -> np.ndarray | None:
    uri = work.note.images[position].uri
    try:
        with _timed(work, "fetch_s"):
            content = copied(uri, media)
            if content is None:
                content = fetch(uri, media, work.inline)
                work.images_opened += not INLINE.fullmatch(uri)
        with _timed(work, "decode_s"):
            return decode_reduced(content, uri, media, partial(_fit, encoder, work, content))
    except MediaError as error:
        work.rejects.append((f"#image/{position}", "image", error.reason, str(error)))
        return None


def _fit(encoder: Encoder, work: Work, content: bytes, image: Image.Image) -> np.ndarray:
    """Return what the encoder needs of an image, hashed on the way: it is decoded once for both."""
    if work.hashes is not None:
        bits, quality = image_hash(image)
        work.hashes.append({"digest": hashlib.sha256(content).hexdigest(), "bits": bits, "quality": quality})
    return encoder.fit(image)


@contextmanager
def _timed(work: Work, phase: str) -> Iterator[None]:
    started = perf_counter()
    try:
        yield
    finally:
        setattr(work, phase, getattr(work, phase) + perf_counter() - started)
