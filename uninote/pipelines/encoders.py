"""The configured model as the driver sees it: where it is, what it is called, what it may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uninote.config import DEMO, Config, EmbedConfig
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import ConfigError
from uninote.model import checkpoint


@dataclass(frozen=True)
class ModelFolder:
    """A checkpoint on the driver's disk. `widths` are those it declares, widest first; `generation` is its identity."""

    folder: Path
    generation: str
    full_width: int
    widths: tuple[int, ...]


def open_model(config: Config) -> ModelFolder:
    """Return the configured checkpoint without loading it. Raises CheckpointError when the folder is none."""
    chosen = config.model.checkpoint
    folder = demo_checkpoint(config.demo) if chosen == DEMO else Path(chosen)
    card = checkpoint.read_card(folder)
    widths = tuple(sorted(card.widths, reverse=True))
    return ModelFolder(folder, checkpoint.generation(folder), card.full_width, widths)


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
