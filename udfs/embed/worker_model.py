"""The encoder of a Python worker: its files once a host, its weights once a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from udfs.embed.model_files import write_files
from udfs.task import gpu
from udfs.worker import load_once
from uninote.model.encoder import WITHOUT_TORCH, Arithmetic, Encoder, load_in_layout
from uninote.model.host_copy import to_float32
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.storage.files import fetch_folder
from uninote.storage.host_copies import once_per_host
from uninote.storage.types import S3Options, is_remote

Files = Callable[[], Mapping[str, bytes]]


@dataclass(frozen=True)
class WorkerModel:
    """Which encoder a task loads. `threads`: of the model's arithmetic, as many as Spark gives the task.

    `uri`: where hosts get a checkpoint that is too large for a broadcast: an object store, or a folder every host mounts.
    `application`: the first of its workers on a host compares the copy there byte by byte; "": every worker does.
    `layout` None is the checkpoint's own; `limits` that are set take the place of its own. `device` is where a task computes
    that Spark gave no GPU; None is the first GPU of its host, if there is any. `layers` as in Arithmetic.
    """

    generation: str
    kind: str
    dtype: str
    threads: int
    uri: str
    s3: S3Options
    application: str = ""
    layout: int | None = None
    device: str | None = None
    limits: SetLimits = NOTHING_SET
    layers: int | None = None


def make_load(model: WorkerModel, files: Files | None) -> Callable[[], Encoder]:
    """Return what loads the encoder in a worker, or returns the one that is loaded.

    `files` returns the checkpoint's; None means that it is fetched from `model.uri`.
    """

    def load() -> Encoder:
        device = gpu() or model.device
        key = f"{model.generation}-{model.kind}-{model.dtype}-{device}"
        return load_once(key, lambda: _load(model, files, device))

    return load


def _load(model: WorkerModel, files: Files | None, device: str | None) -> Encoder:
    if files is None and not is_remote(model.uri):
        # A folder is used where it is: a copy of a mounted one would gain nothing.
        folder = Path(model.uri)
    else:
        wide = _computes_in_float32(model, device)
        name = f"{model.generation}-{'float32' if wide else 'stored'}"
        folder = once_per_host(name, lambda scratch: _fill(model, files, scratch, wide), model.application)
    arithmetic = Arithmetic(model.threads, device, model.dtype, model.layers)
    return load_in_layout(folder, model.kind, model.layout, arithmetic, model.limits)


def _computes_in_float32(model: WorkerModel, device: str | None) -> bool:
    if model.kind in WITHOUT_TORCH:
        return False
    # Imported here, since a driver imports this module too, and needs no torch.
    import torch

    from uninote.model.compute.hardware import choose_placement

    return choose_placement(None, device, model.dtype).dtype is torch.float32


def _fill(model: WorkerModel, files: Files | None, folder: Path, wide: bool) -> None:
    if files is None:
        fetch_folder(model.uri, folder, model.s3)
    else:
        write_files(files(), folder)
    if wide:
        to_float32(folder)
