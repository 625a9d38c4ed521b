"""The configured model as the driver sees it: where it is, what it is called, what it may be asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from uninote.config.sections.base import AUTO, E5
from uninote.config.sections.model import EmbedConfig
from uninote.config.sections.vectors import EmbeddingConfig, VectorsConfig
from uninote.config.settings import Config
from uninote.errors import ConfigError
from uninote.foreign_vectors.identity import KIND, identify, widths_of
from uninote.foreign_vectors.table import open_table
from uninote.lake.generation_record import LIMITS, read_record, record_of
from uninote.lake.paths import Lake
from uninote.model.e5.folder import check_identity
from uninote.model.encoder import UNINOTE, WITHOUT_TORCH, describe, kind_of
from uninote.model.identity.identity import BFLOAT16, FLOAT32
from uninote.model.identity.layouts import LAYOUTS
from uninote.model.identity.limits import SetLimits
from uninote.model.qwen.processing.limits import check_set_limits
from uninote.pipelines.lake.generations import Asked, ModelFolder, choose_generation, recorded_layers, recorded_width
from uninote.pipelines.lake.model_choice import OURS, choose_checkpoint, current_generation
from uninote.pipelines.lake.rotation import choose_folder
from uninote.storage.folder_copies import fetched_checkpoint
from uninote.storage.types import S3Options, is_remote


def open_model(config: Config, on_gpus: Callable[[], bool] = bool) -> ModelFolder:
    """Return the configured checkpoint without loading it, in the layout and type that the lake has of it, or that are set.

    A lake that has none gets bfloat16 where `on_gpus` says that GPUs compute, else float32. Raises CheckpointError when the
    folder is none, ConfigError for a lake of a layout that this release does not know, and as `choose_checkpoint`.
    """
    if config.embed.vectors_from is not None:
        return _foreign(config, config.embed.vectors_from)
    checkpoint = choose_checkpoint(config)
    folder = _folder_of(checkpoint, config)
    kind = kind_of(folder) if config.model.kind == AUTO else config.model.kind
    limits = _limits(config, kind, folder)
    layers = _layers(config)
    found = describe(kind, folder, limits, layers)
    if checkpoint == E5:
        check_identity(found.identity.weights)
    used = choose_folder(config, folder, kind, found)
    turned_from = None if used == folder else found.identity.weights
    if turned_from is not None:
        found = describe(kind, used)
    chosen = choose_generation(config.lake, found.identity, _asked(config, kind, on_gpus))
    if limits:
        check_set_limits(used, limits, LAYOUTS[chosen.layout])
    # What this project made lies where it was made; everything else workers find where the configuration says.
    is_copy = checkpoint in OURS or turned_from is not None
    return ModelFolder(
        used,
        str(used) if is_copy else checkpoint,
        kind,
        chosen.name,
        found.widths[::-1],
        chosen.layout,
        found.identity,
        found.sees_images,
        checkpoint,
        turned_from,
        chosen.dtype,
        limits,
        layers,
    )


def _layers(config: Config) -> int | None:
    """Return how many layers are computed: those that are set, or with a lake's own model those of its vectors; null: all."""
    if config.embed.layers is not None or config.model.checkpoint != AUTO:
        return config.embed.layers
    current = current_generation(Lake(config.lake))
    return None if current is None else recorded_layers(config.lake, current)


def _limits(config: Config, kind: str, folder: Path) -> SetLimits:
    """Return the limits that are set; with `checkpoint` auto those that the lake's vectors were made with."""
    limits = config.model.limits.set_limits()
    if limits and kind != UNINOTE:
        raise ConfigError(
            f"model.limits ({', '.join(limits.given())}) are those of Qwen3-VL models; {folder} is of the kind {kind}, whose "
            "own files say how much it reads. Take model.limits out"
        )
    current = None if limits or config.model.checkpoint != AUTO else current_generation(Lake(config.lake))
    if current is None:
        return limits
    record = read_record(config.lake, current) or {}
    return SetLimits.of(record.get(LIMITS, {}), record_of(config.lake, current))


def _asked(config: Config, kind: str, on_gpus: Callable[[], bool]) -> Asked:
    if kind in WITHOUT_TORCH:
        # It computes in float32 whatever is asked for.
        return Asked(config.model.layout, FLOAT32)
    return Asked(config.model.layout, config.model.dtype, BFLOAT16 if on_gpus() else FLOAT32)


def s3_of(config: Config) -> S3Options:
    """Return how object stores are reached for what is not an image: without a time limit for each file."""
    return S3Options(config.s3.endpoint, config.s3.region)


def require_encoder(model: ModelFolder) -> None:
    """Raise ConfigError where vectors come from a table: nothing there can embed anything."""
    if model.kind == KIND:
        raise ConfigError(
            f"embed.vectors_from: the vectors were made elsewhere, and no model is here to embed anything with; search with "
            f"vectors of the same model (Index.search_notes), or take embed.vectors_from ({model.uri}) out for this job"
        )


def _foreign(config: Config, settings: VectorsConfig) -> ModelFolder:
    """Return the table of vectors as a model: its width is that of the generation in the lake, if there is one."""
    identity = identify(settings)
    chosen = choose_generation(config.lake, identity, Asked(None, FLOAT32))
    width = recorded_width(config.lake, chosen.name) or open_table(settings, s3_of(config)).find_width()
    widths = widths_of(settings, width)
    table = settings.table
    is_beside = isinstance(settings, EmbeddingConfig)
    return ModelFolder(
        Path(table), table, KIND, chosen.name, widths, chosen.layout, identity, False, table, is_beside=is_beside
    )


def _folder_of(checkpoint: str, config: Config) -> Path:
    if checkpoint in OURS:
        return OURS[checkpoint]()
    if is_remote(checkpoint):
        return fetched_checkpoint(checkpoint, s3_of(config))
    return Path(checkpoint)


def check_widths(model: ModelFolder, config: EmbedConfig) -> tuple[int, ...]:
    """Return the widths to embed at, widest first. Raises ConfigError for one that the model was not trained at."""
    widths = tuple(sorted(set(config.widths or model.widths), reverse=True))
    allowed = range(1, model.full_width + 1) if config.undeclared_widths else model.widths
    wrong = [width for width in widths if width not in allowed]
    if wrong:
        depth = "" if model.layers is None else f" at {model.layers} layers"
        raise ConfigError(
            f"embed.widths: {wrong} not declared by the model {model.folder}, which declares "
            f"{list(model.widths)}{depth}. A width it was not trained at promises nothing; {_declaring(model)}"
            f"embed.undeclared_widths=true allows any up to {model.full_width}"
        )
    return widths


def _declaring(model: ModelFolder) -> str:
    return "embed.vectors_from.widths declares those it was trained at; " if model.kind == KIND else ""
