"""What foreign vectors are called, and which widths they have."""

from __future__ import annotations

from pathlib import Path

from uninote.config.sections.vectors import VectorsConfig
from uninote.errors import ConfigError
from uninote.model.identity.folders import Content
from uninote.model.identity.identity import Identity
from uninote.model.identity.layouts import newest

KIND = "vectors"


def identify(settings: VectorsConfig) -> Identity:
    """Return the identity of the vectors: the name of their model and of their column, whatever the layout.

    The table's place and its key column are not part of it: a table may move, and its vectors stay what they are.
    """
    content = Content(Path(), [])
    weights = content.identity([KIND, settings.model, settings.vector])
    return Identity(weights, newest(), content, lambda _: [KIND, weights], lambda: iter(()))


def widths_of(settings: VectorsConfig, full_width: int) -> tuple[int, ...]:
    """Return the full width and the declared ones, widest first. Raises ConfigError for a declared one that is wider."""
    wider = sorted(width for width in settings.widths if width > full_width)
    if wider:
        raise ConfigError(
            f"embed.vectors_from.widths: {wider} are wider than the vectors in {settings.table}, which have {full_width} "
            "numbers; name widths up to that"
        )
    return tuple(sorted({*settings.widths, full_width}, reverse=True))
