"""What UniNote adds to a sentence-transformers folder: two files of its own, which that library passes over.

`uninote_reading.json` says how long notes are read, and how much their letters count; `uninote_axes.safetensors` turns
vectors to their principal axes, so that their first dimensions hold most of what they say. Both are part of the generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from uninote.model.identity.folders import CheckpointError, read_object
from uninote.model.sentence.letters import LETTERS

READING = "uninote_reading.json"
AXES = "uninote_axes.safetensors"
NARROWEST = 64  # of the widths that axes make good for


@dataclass(frozen=True)
class Reading:
    """How notes are read: in up to `pieces` of the model's length. `letters` is their share in a cosine, below 1."""

    pieces: int = 1
    letters: float = 0.0


@dataclass(frozen=True)
class Axes:
    """A vector less `mean`, float32 (width,), seen along the rows of `axes`, float32 (width, width), orthonormal."""

    mean: np.ndarray
    axes: np.ndarray

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """Return float32 (n, width), L2-normalised, of `vectors` that are so too."""
        return normalised((vectors - self.mean) @ self.axes.T)


def read_reading(folder: Path) -> Reading:
    """Return what the folder says of reading, or the defaults. Raises CheckpointError."""
    if not (folder / READING).is_file():
        return Reading()
    values = read_object(folder / READING)
    try:
        reading = Reading(**values)
    except TypeError as error:
        raise CheckpointError(f"{folder / READING}: has the keys {sorted(values)}, not pieces and letters") from error
    if type(reading.pieces) is not int or reading.pieces < 1:
        raise CheckpointError(f"{folder / READING}: pieces is {reading.pieces!r}, not a whole number above 0")
    if not isinstance(reading.letters, float) or not 0 <= reading.letters < 1:
        raise CheckpointError(f"{folder / READING}: letters is {reading.letters!r}, not a share below 1")
    return reading


def read_axes(folder: Path) -> Axes | None:
    """Return the axes in the folder, None where there are none. Raises CheckpointError for a file that is none."""
    if not (folder / AXES).is_file():
        return None
    try:
        with safe_open(folder / AXES, framework="numpy") as file:
            axes = Axes(file.get_tensor("mean"), file.get_tensor("axes"))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / AXES}: not a file of axes: {error}") from error
    # Only a rotation keeps the angles between vectors, and with them the full width's results.
    width = len(axes.mean)
    if axes.axes.shape != (width, width) or not np.allclose(axes.axes @ axes.axes.T, np.eye(width), atol=1e-4):
        raise CheckpointError(f"{folder / AXES}: its axes are not orthonormal")
    return axes


def write_axes(path: Path, axes: Axes) -> None:
    """Write the file that `read_axes` reads."""
    # The library writes an array's memory as it lies: one that is transposed would come back so.
    save_file({"mean": np.ascontiguousarray(axes.mean), "axes": np.ascontiguousarray(axes.axes)}, path)


def widths_with(folder: Path, widths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the widths of a folder whose model declares `widths`: those that axes make good for, and the letters' in full."""
    *narrower, full = widths
    if (folder / AXES).is_file():
        narrower = []
        width = NARROWEST
        while width < full:
            narrower.append(width)
            width *= 2
    return (*narrower, full + LETTERS if read_reading(folder).letters else full)


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the rows of `vectors` at length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: np.ndarray = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result.astype(np.float32)
