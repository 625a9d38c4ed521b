"""One query from a terminal: its text and images embedded by the model that made the index, and the notes nearest to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uninote.config.sections.sources import MediaConfig
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.note_keys import Constraint
from uninote.index.search import Index
from uninote.media.fetching import MediaPolicy, load_image
from uninote.model.encoder import AUTO, Arithmetic, Encoder, describe, load_in_layout
from uninote.notes.note import Note, NoteImage
from uninote.search.checkpoint import limits_of, model_folder, recorded_model, with_axes
from uninote.vectors.widths import truncate


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
    """How many notes are wanted, which, and how many lists are looked into for them (null: as calibrated)."""

    count: int
    constraint: Constraint
    nprobe: int | None = None


def nearest_notes(index: Index, place: IndexFolder, query: Query, wanted: Wanted) -> list[dict[str, object]]:
    """Return {"note_id", "score"} of each note found, best first. `place` is where the index was opened.

    Raises UninoteError for a query without content, and for a checkpoint that is not the index's.
    """
    encoder = encoder_of(place, index.manifest.generation, query.model, query.kind)
    vector = truncate(_embedded(query, encoder), index.manifest.width)
    notes, scores = index.search_notes(vector, wanted.count, wanted.nprobe, wanted.constraint)
    lines: list[dict[str, object]] = []
    for note, score in zip(notes[0], scores[0], strict=True):
        if note is not None:
            lines.append({"note_id": note, "score": round(float(score), 6)})
    return lines


def encoder_of(place: IndexFolder, generation: str, model: str | None = None, kind: str = AUTO) -> Encoder:
    """Load the encoder that made the index at `place`, of this generation: `model`, null for the one its lake recorded.

    Raises UninoteError for a checkpoint that is not the index's, or is not there.
    """
    recorded_kind = AUTO
    if model is None:
        model, recorded_kind = recorded_model(place.uri, generation)
    kind = recorded_kind if kind == AUTO else kind
    folder, kind = with_axes(place.uri, model_folder(model, place.options), kind)
    limits = limits_of(place.uri, generation)
    found = describe(kind, folder, limits)
    for layers in (None, *found.layers):
        if made := describe(kind, folder, limits, layers).identity.find([generation]):
            layout, dtype = max(made)
            return load_in_layout(folder, kind, layout, Arithmetic(dtype=dtype, layers=layers), limits)
    raise UninoteError(
        f"the index was made by the encoder {generation}, {folder} is {found.generation}; their vectors do not compare: "
        "name the index's own checkpoint"
    )


def _embedded(query: Query, encoder: Encoder) -> np.ndarray:
    """Return float32 (1, full width). Images may lie anywhere on this machine: the person at the terminal named them."""
    if not (query.title or query.text or query.images):
        raise UninoteError("the query is empty; give --text, --title or --image")
    roots = set()
    images = []
    for path in map(Path.resolve, query.images):
        roots.add(str(path.parent))
        images.append(NoteImage(str(path), ""))
    limits = MediaConfig()
    policy = MediaPolicy(tuple(roots), limits.max_bytes, limits.max_pixels)
    pictures = [load_image(image.uri, policy) for image in images]
    note = Note(query.title, query.text, (), tuple(images))
    return np.asarray(encoder.embed([encoder.prepare(note, pictures)]))
