"""The configured model as the driver sees it: where it is, what it is called, what it may be asked for."""

from __future__ import annotations

from pathlib import Path

from udfs.embed.model_files import once_per_host
from uninote.config.digests import digest
from uninote.config.sections.base import DEMO
from uninote.config.sections.model import EmbedConfig
from uninote.config.settings import Config
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import ConfigError
from uninote.model.encoder import describe
from uninote.pipelines.lake.generations import ModelFolder, choose_generation
from uninote.storage.files import fetch_folder, list_files, stat
from uninote.storage.types import S3Options, is_remote


def open_model(config: Config) -> ModelFolder:
    """Return the configured checkpoint without loading it, in the layout that the lake has of it, or that is asked for.

    Raises CheckpointError when the folder is none, ConfigError for a lake of a layout that this release does not know.
    """
    uri = config.model.checkpoint
    kind = config.model.kind
    if uri == DEMO:
        folder = demo_checkpoint()
    elif is_remote(uri):
        folder = _fetched(uri, S3Options(config.s3.endpoint, config.s3.region))
    else:
        folder = Path(uri)
    found = describe(kind, folder)
    chosen = choose_generation(config.lake, found.identity, config.model.layout)
    place = str(folder) if uri == DEMO else uri
    return ModelFolder(folder, place, kind, chosen.name, found.widths[::-1], chosen.layout, found.identity)


def _fetched(uri: str, options: S3Options) -> Path:
    """Return the driver's copy, made anew when anything below the URI is of another version."""
    files = list_files(uri, options)
    state = [(name, stat(f"{uri.rstrip('/')}/{name}", options).version) for name in sorted(files)]
    name = digest(uri, state)
    return once_per_host(f"checkpoint-{name}", lambda folder: fetch_folder(uri, folder, options))


def check_widths(model: ModelFolder, config: EmbedConfig) -> tuple[int, ...]:
    """Return the widths to embed at, widest first. Raises ConfigError for one that the model was not trained at."""
    widths = tuple(sorted(set(config.widths or model.widths), reverse=True))
    allowed = range(1, model.full_width + 1) if config.undeclared_widths else model.widths
    wrong = [width for width in widths if width not in allowed]
    if wrong:
        raise ConfigError(
            f"embed.widths: {wrong} not declared by the model {model.folder}, which declares {list(model.widths)}. A width "
            f"it was not trained at promises nothing; embed.undeclared_widths=true allows any up to {model.full_width}"
        )
    return widths
