"""One query from a terminal: its text and images, embedded by the model that made the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL.Image import Image

from uninote.config.sections.base import Kind
from uninote.config.sections.sources import MediaConfig
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.note_keys import Constraint
from uninote.media.fetching import MediaPolicy, load_image
from uninote.model.encoder import AUTO, Arithmetic, Encoder, describe, load_in_layout
from uninote.notes.note import Note, NoteImage
from uninote.search.checkpoint import lake_around, limits_of, model_folder, recorded_model, with_axes


@dataclass(frozen=True)
class Query:
    """What a note is to be like, and the checkpoint that embeds it: a folder, s3://… or a name of NAMED.

    `model` is null where that of the index's lake is meant.
    """

    model: str | None
    kind: str = AUTO
    title: str = ""
    text: str = ""
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """How many notes are wanted, which, and how they are ranked; see `search` in the configuration, whose names these are.

    `nprobe`: how many lists are looked into for them, null: as calibrated. `temperature` null: scores are not corrected by a
    bank of queries. `lake`: where the index's lake lies, null: around the index.
    """

    count: int
    constraint: Constraint
    nprobe: int | None = None
    fusion: str = "note"
    weights: Mapping[Kind, float] = field(default_factory=dict)
    temperature: float | None = None
    bank_version: int | None = None
    lake: str | None = None

    def check(self) -> None:
        """Raise UninoteError where two ways to rank are asked for at once, or a bank and no correction."""
        asked = {"--fusion parts": self.fusion == "parts", "--weights": bool(self.weights)}
        asked["--hubness queries"] = self.temperature is not None
        chosen = [name for name, is_asked in asked.items() if is_asked]
        if len(chosen) > 1:
            raise UninoteError(f"{' and '.join(chosen)} rank notes in ways of their own; give one of them")
        if self.bank_version is not None and self.temperature is None:
            raise UninoteError("--bank-version names the bank that --hubness queries corrects by; give both")


def encoder_of(
    place: IndexFolder, generation: str, model: str | None = None, kind: str = AUTO, lake: str | None = None
) -> Encoder:
    """Load the encoder that made the index at `place`, of this generation: `model`, null for the one its lake recorded.

    `lake` null: the one around the index. Raises UninoteError for a checkpoint that is not the index's, or is not there.
    """
    recorded_kind = AUTO
    lake = lake or lake_around(place.uri)
    if model is None:
        model, recorded_kind = recorded_model(lake, generation)
    kind = recorded_kind if kind == AUTO else kind
    folder, kind = with_axes(lake, model_folder(model, place.options), kind)
    limits = limits_of(lake, generation)
    found = describe(kind, folder, limits)
    for layers in (None, *found.layers):
        if made := describe(kind, folder, limits, layers).identity.find([generation]):
            layout, dtype = max(made)
            return load_in_layout(folder, kind, layout, Arithmetic(dtype=dtype, layers=layers), limits)
    raise UninoteError(
        f"the index was made by the encoder {generation}, {folder} is {found.generation}; their vectors do not compare: "
        "name the index's own checkpoint"
    )


def embedded(query: Query, encoder: Encoder, *, parts: bool = False) -> np.ndarray:
    """Return float32 (1, full width) of a query; with `parts` rows more, of its text and each of its images apart.

    Images may lie anywhere on this machine: the person at the terminal named them. Raises UninoteError for an empty query.
    """
    if not (query.title.strip() or query.text.strip() or query.images):
        raise UninoteError("the query is empty; give --text, --title or --image")
    paths = [path.resolve() for path in query.images]
    limits = MediaConfig()
    policy = MediaPolicy(tuple({str(path.parent) for path in paths}), limits.max_bytes, limits.max_pixels)
    pictures = [load_image(str(path), policy) for path in paths]
    images = [NoteImage(str(path), "") for path in paths]
    asked: list[tuple[Note, list[Image]]] = [(Note(query.title, query.text, (), tuple(images)), pictures)]
    if parts and (query.title or query.text):
        asked.append((Note(query.title, query.text), []))
    if parts:
        asked += [(Note(images=(image,)), [picture]) for image, picture in zip(images, pictures, strict=True)]
    return np.asarray(encoder.embed([encoder.prepare(note, seen) for note, seen in asked]))
