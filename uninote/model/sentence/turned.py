"""A sentence-transformers model with UniNote's additions: long notes in pieces, letters, and principal axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from uninote.model.compute.hardware import Placement
from uninote.model.input.cuts import Cut
from uninote.model.input.text import text_of
from uninote.model.sentence import folder as sentence_folder
from uninote.model.sentence.additions import Axes, Reading, normalised, read_axes, read_reading
from uninote.model.sentence.encoder import SentenceEncoder
from uninote.model.sentence.letters import letters_of
from uninote.notes.note import Note

BEFORE_LETTERS = (
    128  # dimensions of the model that come first: narrower widths have no letters, which need all of theirs
)


@dataclass(frozen=True, slots=True)
class PreparedPieces:
    """The pieces of a note as the model's inputs made them, and its letters, float32 (128,), null where they do not count."""

    pieces: tuple[Any, ...]
    letters: np.ndarray | None

    @property
    def num_tokens(self) -> int:
        """The tokens of all pieces, special ones included."""
        return int(sum(piece.num_tokens for piece in self.pieces))

    @property
    def cut(self) -> Cut:
        """What is beyond the last piece."""
        found: Cut = self.pieces[-1].cut
        return found

    @property
    def nbytes(self) -> int:
        """The memory that the note holds while it waits."""
        return int(sum(piece.nbytes for piece in self.pieces)) + (0 if self.letters is None else self.letters.nbytes)


class TurnedEncoder:
    """Embeds texts as the model does, and makes of its vectors some whose first dimensions hold most.

    A long text is read in pieces, whose vectors are averaged by their tokens: mean pooling over all of it, but that no
    token sees beyond its piece.
    """

    sees_images = False

    def __init__(self, plain: SentenceEncoder, widths: tuple[int, ...], reading: Reading, axes: Axes | None) -> None:
        self.widths = widths
        self.device = plain.device
        self._plain = plain
        self._reading = reading
        self._axes = axes

    @classmethod
    def load(cls, folder: str | Path, placement: Placement) -> TurnedEncoder:
        """Load `folder` as `SentenceEncoder.load` does. Raises CheckpointError."""
        folder = Path(folder)
        widths = sentence_folder.read_widths(folder)
        plain = SentenceEncoder.load(folder, placement)
        return cls(plain, widths, read_reading(folder), read_axes(folder))

    @property
    def batch_tokens(self) -> int:
        """How many padded tokens a batch should have at most."""
        return self._plain.batch_tokens

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""
        return self.widths[-1]

    def fit(self, image: Image) -> np.ndarray:
        """Raise CheckpointError: this model sees no images."""
        return self._plain.fit(image)

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Return False: this model sees no images."""
        return False

    def prepare(self, note: Note, images: Sequence[Image | np.ndarray]) -> PreparedPieces:
        """Tokenise the note's text, and count its letters; `images` are not looked at."""
        text = text_of(note)
        letters = letters_of(text) if self._reading.letters else None
        return PreparedPieces(tuple(self._plain.pieces(text, self._reading.pieces)), letters)

    def embed(self, prepared: Sequence[PreparedPieces]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised."""
        vectors = self._averaged(prepared)
        if self._axes is not None:
            vectors = self._axes.turn(vectors)
        if not self._reading.letters:
            return vectors
        if not prepared:
            return np.zeros((0, self.full_width), dtype=np.float32)
        found = [one.letters for one in prepared if one.letters is not None]
        # Square roots: the cosine of two notes is then the mean of both parts' cosines, weighted by this share.
        letters = np.stack(found) * np.sqrt(self._reading.letters)
        vectors *= np.sqrt(1 - self._reading.letters)
        return normalised(np.hstack([vectors[:, :BEFORE_LETTERS], letters, vectors[:, BEFORE_LETTERS:]]))

    def _averaged(self, prepared: Sequence[PreparedPieces]) -> np.ndarray:
        """Return the model's vectors, those of a text's pieces averaged."""
        pieces = []
        owners = []
        tokens = []
        for number, one in enumerate(prepared):
            for piece in one.pieces:
                pieces.append(piece)
                owners.append(number)
                tokens.append(piece.num_tokens)
        weights = np.array(tokens, dtype=np.float32)
        vectors = self._plain.embed(pieces)
        sums = np.zeros((len(prepared), vectors.shape[1]), dtype=np.float32)
        # Several pieces have one owner: plain indexing would add only the last of them.
        np.add.at(sums, np.array(owners, dtype=np.int64), vectors * weights[:, None])
        return normalised(sums)
