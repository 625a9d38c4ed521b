"""The model that embeds a query from a terminal: the one that is named, or the one that the index's lake recorded."""

from __future__ import annotations

from pathlib import Path

from uninote.config.sections.base import DEMO, E5
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import UninoteError
from uninote.foreign_vectors.identity import KIND as FOREIGN
from uninote.lake.generation_record import LIMITS, read_record
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import AUTO, SENTENCES, describe, kind_of
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.sentence.turned_copy import turned_copy
from uninote.storage.folder_copies import fetched_checkpoint
from uninote.storage.lake_files import join, parent, read_or_none
from uninote.storage.local import local_path
from uninote.storage.types import S3Options, is_object_store, is_remote

NAMED = {E5: e5_folder, DEMO: demo_checkpoint}  # checkpoints that have a name


def recorded_model(lake: str | None, generation: str) -> tuple[str, str]:
    """Return where the model of a generation lies, as the index's lake recorded it, and its kind.

    Raises UninoteError where there is no lake or no such record, or vectors were made elsewhere.
    """
    record = read_record(lake, generation) if lake is not None else None
    if record is not None and record.get("kind") == FOREIGN:
        raise UninoteError(
            "the vectors of this index were made elsewhere; name the model that makes such vectors with --model, or search "
            "with vectors of it (Index.search_notes)"
        )
    if record is None or "checkpoint" not in record:
        raise UninoteError(
            f"--model is needed to embed the query: no lake {'around the index' if lake is None else f'at {lake}'} says where "
            f"the model of {generation} lies; name the folder of the checkpoint that made the index, or {' or '.join(NAMED)}, "
            "or with --lake the lake that the index was made from"
        )
    return record["checkpoint"], record.get("kind", AUTO)


def limits_of(lake: str | None, generation: str) -> SetLimits:
    """Return the limits that a generation was made with in the place of its model's own, as far as a lake recorded them."""
    record = None if lake is None else read_record(lake, generation)
    return NOTHING_SET if record is None else SetLimits.of(record.get(LIMITS, {}), str(lake))


def model_folder(model: str, options: S3Options) -> Path:
    """Return where a model, which may be a name of NAMED or lie in a bucket, is on this machine.

    Raises UninoteError where it is not there.
    """
    if model in NAMED:
        return NAMED[model]()
    if is_remote(model):
        return fetched_checkpoint(model, options)
    if not Path(model).is_dir():
        raise UninoteError(f"the model of this index is not at {model}; name the folder where it is with --model")
    return Path(model)


def with_axes(lake: str | None, folder: Path, kind: str) -> tuple[Path, str]:
    """Return the model with the axes that the index's lake keeps for it, as it is where there are none, and its kind."""
    if kind == AUTO:
        kind = kind_of(folder)
    if kind != SENTENCES or lake is None:
        return folder, kind
    axes = read_or_none(join(lake, "axes", f"{describe(kind, folder).identity.weights}.safetensors"))
    return (folder if axes is None else turned_copy(folder, axes)), kind


def lake_around(place: str) -> str | None:
    """Return <lake> of <lake>/<generation>/index/w<N>, where an index lies unless index.folder says otherwise."""
    lake = parent(parent(parent(place if is_object_store(place) else str(local_path(place).resolve()))))
    # Of a bucket's own name only the scheme would be left.
    return lake if lake and not lake.endswith(("/", ":")) else None
