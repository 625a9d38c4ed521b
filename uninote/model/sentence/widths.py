"""How wide the vectors of a sentence-transformers folder are, from its small files. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from uninote.model.identity.folders import CheckpointError, read_object

SETTINGS = "config_sentence_transformers.json"
POOLING_FLAG = "pooling_mode_"  # older folders have one flag for each mode


def module_width(folder: Path, name: str) -> int | None:
    """Return how wide the vectors of the module `name` in `folder` are; None when it does not say."""
    read = _READERS.get(name)
    return read(folder) if read is not None else None


def declared_widths(folder: Path, transformer: Path, full_width: int) -> tuple[int, ...]:
    """Return, ascending, the full width and those narrower ones that the model's authors name in its configuration."""
    settings = _read(folder / SETTINGS)
    config = _read(transformer / "config.json")
    named = [settings.get("truncate_dim")]
    for values in (settings, config):
        dimensions = values.get("matryoshka_dimensions")
        named += dimensions if isinstance(dimensions, list) else []
    widths = {full_width}
    for width in named:
        if type(width) is int and 0 < width < full_width:
            widths.add(width)
    return tuple(sorted(widths))


def _dense(folder: Path) -> int | None:
    return _whole(read_object(folder / "config.json"), "out_features")


def _layer_norm(folder: Path) -> int | None:
    return _whole(read_object(folder / "config.json"), "dimension")


def _pooling(folder: Path) -> int | None:
    values = read_object(folder / "config.json")
    width = _whole(values, "embedding_dimension") or _whole(values, "word_embedding_dimension")
    if not width:
        return None
    mode = values.get("pooling_mode")
    if isinstance(mode, list):
        return width * len(mode)
    # Older releases have a flag for each way of pooling; their results are joined.
    flags = [name for name, value in values.items() if name.startswith(POOLING_FLAG) and value is True]
    return width * max(1, len(flags))


def _transformer(folder: Path) -> int | None:
    values = read_object(folder / "config.json")
    text = values.get("text_config")
    for level in (values, text):
        if not isinstance(level, dict):
            continue
        for name in ("hidden_size", "d_model", "dim"):
            width = _whole(level, name)
            if width:
                return width
    return None


def _static(folder: Path) -> int | None:
    path = folder / "model.safetensors"
    try:
        with safe_open(path, framework="numpy") as weights:
            stored = set(weights.keys())
            for name in ("embedding.weight", "embeddings"):
                if name in stored:
                    return int(weights.get_slice(name).get_shape()[1])
            return None
    except Exception as error:
        # The library has an exception of its own, and raises others too.
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    return value if type(value) is int and value > 0 else None


def _read(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


_READERS: dict[str, Callable[[Path], int | None]] = {
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Pooling": _pooling,
    "StaticEmbedding": _static,
    "Transformer": _transformer,
}
