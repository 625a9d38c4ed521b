"""The small protocol behind which every encoder stands. Light to import: drivers name it without loading torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL.Image import Image

from uninote.notes import Note


class Encoder(Protocol):
    """Turns notes into vectors, in two steps: prepare in any thread, embed in the one that computes."""

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that the checkpoint was trained for, ascending; the last is the full one."""

    def prepare(self, note: Note, images: Sequence[Image]) -> Any:
        """Return the note as this encoder wants it, with its `num_tokens`; `images` are those of `note.images`."""

    def embed(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised, in order. A row does not depend on its batch (cosine 1e-5)."""


def load_encoder(folder: str | Path, threads: int | None = None) -> Encoder:
    """Load the encoder of a checkpoint folder, on the GPU where there is one, else on the CPU with `threads`.

    `threads` is a setting of the whole process; None leaves it. Raises CheckpointError.
    """
    from uninote.model.note_encoder import NoteEncoder

    return NoteEncoder.load(folder, threads)
