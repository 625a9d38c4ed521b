"""The small protocol behind which every encoder stands. Light to import: drivers name it without loading torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL.Image import Image

from uninote.model.hashing import folder as hashing_folder
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.identity import Identity
from uninote.model.identity.layouts import find_layout
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.input.cuts import Cut
from uninote.model.qwen.files import checkpoint
from uninote.model.sentence import folder as sentence_folder
from uninote.notes.note import Note

AUTO = "auto"
UNINOTE, SENTENCES, HASHING = KINDS = ("uninote", "sentence-transformers", "feature-hashing")
WITHOUT_TORCH = (HASHING,)  # kinds whose workers need not wait for it


@dataclass(frozen=True)
class Description:
    """What is known of a checkpoint without loading it. `widths` are ascending; the last is the full one.

    `layers`: the numbers of layers, fewer than all, after which it was trained to stop as well.
    """

    identity: Identity
    full_width: int
    widths: tuple[int, ...]
    sees_images: bool
    layers: tuple[int, ...] = ()

    @property
    def generation(self) -> str:
        """The identity of the vectors that it makes in its own layout."""
        return self.identity.generation(self.identity.own)


@dataclass(frozen=True)
class Arithmetic:
    """How a model computes.

    `threads`, of arithmetic on a CPU, is a setting of the process; None leaves it. `device` None is a GPU where there
    is one, else the CPU. `dtype` is "float32", "bfloat16", or "auto": float32 on a CPU, the checkpoint's own on a GPU.
    `layers`: so many of the first ones are computed; None means all.
    """

    threads: int | None = None
    device: str | None = None
    dtype: str = "auto"
    layers: int | None = None


class Prepared(Protocol):
    """A note that waits for the model."""

    @property
    def num_tokens(self) -> int:
        """How many tokens the model will read, those of images included."""

    @property
    def nbytes(self) -> int:
        """The memory that it holds while it waits."""

    @property
    def cut(self) -> Cut:
        """What the model will not see of what it was given."""


class Encoder(Protocol):
    """Turns notes into vectors, in two steps: prepare in any threads, embed in the one that computes, at the same time."""

    sees_images: bool
    device: str
    """What computes: "cpu", or the name of a GPU."""

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that the checkpoint was trained for, ascending; the last is the full one."""

    @property
    def batch_tokens(self) -> int | None:
        """How many padded tokens `embed` should be given at most, as far as is known; None where nothing sets a bound."""

    def fit(self, image: Image) -> np.ndarray:
        """Return what `prepare` needs of an image, in RGB: its pixels as the model will see them, far fewer than a photo's.

        Only of an encoder that sees images. Raises ImageError for one that cannot be resized within sensible memory.
        """

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Say whether of a note whose first images are these, as `fit` returns them, the model may see another."""

    def prepare(self, note: Note, images: Sequence[Image | np.ndarray]) -> Prepared:
        """Return the note as this encoder wants it; `images` are those of `note.images`, or none if it sees none.

        Those that `fit` returned are taken as they are.
        """

    def embed(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised, in order. A row does not depend on its batch (cosine 1e-5).

        What the model makes of a broken weight comes through as it is: rows may hold NaN or infinity.
        """


def describe(kind: str, folder: str | Path, limits: SetLimits = NOTHING_SET, layers: int | None = None) -> Description:
    """Return what the checkpoint in `folder` declares, and its identity, for which every weight is read once.

    `kind` auto is read off the folder; `limits` that are set mean something to the kind "uninote" alone; `layers` as in
    Arithmetic. Raises CheckpointError when the folder is no checkpoint of that kind, or was not trained at so many layers.
    """
    folder = Path(folder)
    kind = kind_of(folder) if kind == AUTO else _checked(kind)
    _check_layers(kind, layers)
    if kind == SENTENCES:
        widths = sentence_folder.read_widths(folder)
        return Description(sentence_folder.identify(folder), widths[-1], widths, sees_images=False)
    if kind == HASHING:
        widths = hashing_folder.read_card(folder).widths
        return Description(hashing_folder.identify(folder), widths[-1], widths, sees_images=True)
    card = checkpoint.read_card(folder).at(layers, folder)
    identity = checkpoint.identify(folder, limits, layers)
    return Description(identity, card.full_width, card.widths, True, tuple(dict(card.depths)))


def kind_of(folder: str | Path) -> str:
    """Return the kind of the checkpoint in `folder`, told by the file that only this kind has."""
    if (Path(folder) / sentence_folder.MODULES).is_file():
        return SENTENCES
    return HASHING if (Path(folder) / hashing_folder.CARD).is_file() else UNINOTE


def load_encoder(
    folder: str | Path, kind: str = UNINOTE, threads: int | None = None, device: str | None = None, dtype: str = "auto"
) -> Encoder:
    """Load the encoder of a checkpoint folder in its own layout; the last three are those of Arithmetic.

    Raises CheckpointError, and UninoteError for a device or dtype that is not to be had.
    """
    return load_in_layout(folder, kind, None, Arithmetic(threads, device, dtype))


def load_in_layout(
    folder: str | Path, kind: str, layout: int | None, arithmetic: Arithmetic, limits: SetLimits = NOTHING_SET
) -> Encoder:
    """Load the encoder of a checkpoint folder in the layout of that number; None is its own.

    `limits` that are set take the place of its own, of the kind "uninote". Raises as `load_encoder`.
    """
    _check_layers(_checked(kind), arithmetic.layers)
    # The hashing encoder computes the same on every device, in float32.
    if kind == HASHING:
        from uninote.model.hashing.encoder import HashingEncoder

        return HashingEncoder.load(folder)
    from uninote.model.compute.hardware import choose_placement

    placement = choose_placement(arithmetic.threads, arithmetic.device, arithmetic.dtype)
    if kind == SENTENCES and sentence_folder.has_additions(Path(folder)):
        from uninote.model.sentence.turned import TurnedEncoder

        return TurnedEncoder.load(folder, placement)
    if kind == SENTENCES:
        from uninote.model.sentence.encoder import SentenceEncoder

        return SentenceEncoder.load(folder, placement)
    from uninote.model.qwen.encoder import NoteEncoder

    found = None if layout is None else find_layout(layout, str(folder))
    return NoteEncoder.load(folder, placement, found, limits, arithmetic.layers)


def module_of(kind: str) -> str | None:
    """Return the module that takes long to import before an encoder of this kind can be loaded; null where none does."""
    return {UNINOTE: "uninote.model.qwen.encoder", SENTENCES: "uninote.model.sentence.encoder"}.get(kind)


def modules_of(kind: str) -> tuple[str, ...]:
    """Return all modules that take long to import before an encoder of this kind has its weights."""
    module = module_of(kind)
    if module is None:
        return ()
    # Imported only where weights are loaded, so that its absence is said in a sentence.
    return (module, "sentence_transformers") if kind == SENTENCES else (module,)


def _check_layers(kind: str, layers: int | None) -> None:
    if layers is not None and kind != UNINOTE:
        raise CheckpointError(
            f"embed.layers: {layers}: a model of kind {kind} computes all its layers; null computes all, or name a model "
            "trained at that depth (docs/training.md)"
        )


def _checked(kind: str) -> str:
    if kind not in KINDS:
        raise CheckpointError(f"model kind {kind!r} is not known; the kinds are {', '.join(KINDS)}")
    return kind
