"""`model.rotate`: axes for models that were not trained for narrow widths, fitted once for a lake and stored in it.

Fitted again on another machine they would differ in their last bits, and vectors of both would not compare.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from udfs.embed.model_files import fits_broadcast
from uninote.config.settings import Config
from uninote.errors import ConfigError
from uninote.model.encoder import SENTENCES, Description
from uninote.model.sentence.additions import AXES, NARROWEST, write_axes
from uninote.model.sentence.turned_copy import turned_copy
from uninote.pipelines.lake.generations import ModelFolder, has_generation
from uninote.pipelines.runtime.progress import say
from uninote.storage import lake_files
from uninote.storage.host_copies import once_per_host

FOLDER = "axes"  # in a lake: one file for each model, by the hash of its weights


def choose_folder(config: Config, plain: Path, kind: str, found: Description) -> Path:
    """Return the folder to work with: `plain`, that of the model, or a private copy with axes.

    Auto takes what the lake has vectors of; in a lake without any, axes for models that can have them. Raises ConfigError
    where `model.rotate` asks for what the model cannot have, or for other than what the lake has vectors of.
    """
    asked = config.model.rotate
    weights = found.identity.weights
    stored = lake_files.read_or_none(axes_file(config.lake, weights))
    has_plain = has_generation(config.lake, found.identity)
    if problem := _problem(plain, kind, found):
        if asked is True:
            raise ConfigError(f"model.rotate: true: {plain} {problem}")
        return plain
    if asked != "auto" and (stored is not None if asked is False else has_plain):
        raise ConfigError(
            f"model.rotate: {str(asked).lower()}: the lake {config.lake} has vectors of this model "
            f"{'with' if asked is False else 'without'} axes, which do not compare with others; leave model.rotate out, or "
            "take another lake"
        )
    if asked is False or (has_plain and stored is None):
        return plain
    return turned_copy(plain, _fitted(plain, weights) if stored is None else stored)


def axes_file(lake: str, weights: str) -> str:
    """Return the URI of the file in which a lake stores the axes of a model."""
    return lake_files.join(lake, FOLDER, f"{weights}.safetensors")


def keep_axes(lake: str, model: ModelFolder) -> None:
    """Store the axes of a turned copy in the lake before its first vectors, unless they are there; the file appears whole."""
    if model.turned_from is not None:
        with suppress(FileExistsError):
            lake_files.create(axes_file(lake, model.turned_from), (model.folder / AXES).read_bytes())


def _problem(folder: Path, kind: str, found: Description) -> str:
    """Return why a model cannot have axes, "" where it can."""
    if kind != SENTENCES:
        return f"is of the kind {kind}; axes are for sentence-transformers models"
    if len(found.widths) > 1:
        return f"declares widths of its own, {list(found.widths)}"
    if found.full_width <= NARROWEST:
        return f"is only {found.full_width} wide"
    return "" if fits_broadcast(folder) else "is too large to be sent to workers"


def _fitted(folder: Path, weights: str) -> bytes:
    """Return the file of axes fitted on this machine, once: embedding the sample takes some seconds."""

    def fill(scratch: Path) -> None:
        # Imported here, since it loads torch, which no other run needs in the driver.
        from uninote.model.sentence.axes_fit import axes_of_model

        say("the model was not trained for narrow widths: fitting axes for them (model.rotate)")
        write_axes(scratch / AXES, axes_of_model(folder))

    return (once_per_host(f"axes-{weights}", fill, weights) / AXES).read_bytes()
