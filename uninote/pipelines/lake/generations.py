"""A model in a lake: which generation its vectors are, and the record that says what a generation was made with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uninote.config.sections.base import AUTO
from uninote.errors import ConfigError
from uninote.foreign_vectors.identity import KIND
from uninote.lake.generation_record import BESIDE, LIMITS, find_generations, read_record, record_of
from uninote.model.identity.identity import DTYPES, FLOAT32, Identity
from uninote.model.identity.layouts import LAYOUTS, known
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.storage import lake_files

FORMAT = 1
DTYPE = "dtype"  # in the record: the type that the model computes in


@dataclass(frozen=True)
class Generation:
    """The name of a model's vectors in a lake, the number of their layout, and the type that they are computed in."""

    name: str
    layout: int
    dtype: str


@dataclass(frozen=True)
class ModelFolder:
    """A checkpoint on the driver's disk. `uri` is where workers find it; `generation`, `layout`, `dtype`: what its vectors are.

    `widths` are those it declares, widest first; `sees_images` says whether a picture moves its vectors; `checkpoint` is what
    `model.checkpoint` calls it; `turned_from` the hash of the model's own weights where axes were added to it. `limits` are
    those that are set in the place of its own; `layers` how many of its first layers are computed, null for all.
    `is_beside`: these are a further set of vectors, and the lake works with another model.
    """

    folder: Path
    uri: str
    kind: str
    generation: str
    widths: tuple[int, ...]
    layout: int
    identity: Identity
    sees_images: bool
    checkpoint: str
    turned_from: str | None = None
    dtype: str = FLOAT32
    limits: SetLimits = NOTHING_SET
    layers: int | None = None
    is_beside: bool = False

    @property
    def full_width(self) -> int:
        """The width of the vectors before any truncation."""
        return self.widths[0]


@dataclass(frozen=True)
class Asked:
    """What the configuration asks of a generation: a layout, null for the lake's; and a type, AUTO for the lake's.

    `new_dtype` is that of a lake which has no vectors of the model.
    """

    layout: int | None = None
    dtype: str = AUTO
    new_dtype: str = FLOAT32


def choose_generation(lake: str, identity: Identity, asked: Asked) -> Generation:
    """Return the generation to work on: the one that is asked for, else the newest that the lake at `lake` has.

    A lake that has none of this model gets the layout that the checkpoint declares, or else the newest there is. Raises
    ConfigError where the lake's is of a layout or a type that this release does not know, or of two types.
    """
    held = _held(lake, identity)
    dtype = _dtype(lake, held, asked)
    mine = {one.layout: one.name for one in held if one.dtype == dtype}
    layout = asked.layout or max(mine or [one.layout for one in held], default=identity.own.number)
    if layout not in LAYOUTS or dtype not in DTYPES:
        raise ConfigError(
            f"model.layout: the generation {mine[layout]} in {lake} was made with layout {layout} in {dtype}; this release "
            f"knows {known()} in {' and '.join(DTYPES)}. Install the release that made it, or set model.layout={max(LAYOUTS)} "
            f"and model.dtype={FLOAT32}, which embeds all notes again"
        )
    return Generation(mine.get(layout) or identity.generation(LAYOUTS[layout], dtype), layout, dtype)


def _dtype(lake: str, held: Sequence[Generation], asked: Asked) -> str:
    if asked.dtype != AUTO:
        return asked.dtype
    found = sorted({one.dtype for one in held})
    if len(found) > 1:
        raise ConfigError(
            f"model.dtype: auto: the lake {lake} has vectors of this model in {' and in '.join(found)}, which are not "
            "compared; name one of them"
        )
    return found[0] if found else asked.new_dtype


def has_generation(lake: str, identity: Identity) -> bool:
    """Say whether the lake has vectors of this model."""
    return bool(_held(lake, identity))


def record_generation(lake: str, model: ModelFolder) -> None:
    """Write what the generation of `model` is made with into its folder, once; the file appears whole.

    Where the model lies is written anew when it was moved, so that jobs find it that are not told; and the type that vectors
    are computed in, into records of earlier releases.
    """
    known = read_record(lake, model.generation) or {}
    if known.get("checkpoint") == model.checkpoint and DTYPE in known:
        return
    made: dict[str, Any] = {
        "format": FORMAT,
        "kind": model.kind,
        "weights": model.identity.weights,
        "layout": model.layout,
    }
    if model.limits:
        made[LIMITS] = model.limits.given()
    if model.kind == KIND:
        # Of vectors without a model nothing else declares the width.
        made["width"] = model.full_width
    if model.is_beside:
        made[BESIDE] = True
    if model.layers is not None:
        made["layers"] = model.layers
    values = (known or made) | {"checkpoint": model.checkpoint, DTYPE: known.get(DTYPE, model.dtype)}
    lake_files.write(record_of(lake, model.generation), json.dumps(values, indent=2).encode())


def recorded_width(lake: str, generation: str) -> int | None:
    """Return the full width that the record of a generation of foreign vectors names, null where there is none."""
    width = (read_record(lake, generation) or {}).get("width")
    return width if isinstance(width, int) else None


def recorded_layers(lake: str, generation: str) -> int | None:
    """Return how many layers of its model a generation was made with, null where these are all."""
    layers = (read_record(lake, generation) or {}).get("layers")
    return layers if isinstance(layers, int) else None


def _held(lake: str, identity: Identity) -> list[Generation]:
    """Return the generations of this model that hold anything; a record tells more than a name.

    Where a record names a layout and a type, no name counts that means the same.
    """
    recorded = {}
    unrecorded = []
    for name in find_generations(lake):
        values = read_record(lake, name)
        if values is None:
            unrecorded.append(name)
        elif values["weights"] == identity.weights:
            # Earlier releases recorded no type, and computed in float32.
            recorded[values["layout"], str(values.get(DTYPE, FLOAT32))] = name
    found = identity.find(unrecorded) | recorded
    return [Generation(name, layout, dtype) for (layout, dtype), name in found.items()]
