"""A small checkpoint to train from scratch, with the classes and the layout of a published one.

Weights start as transformers draws them. The prompt's frame is a few tokens of the vocabulary, so that most of what is
computed is content (measured in docs/training.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3VLConfig, Qwen3VLModel

from uninote.model.identity.layouts import newest
from uninote.model.qwen.tiny import make_folder, tiny_config, write_checkpoint
from uninote.model.qwen.tiny_tokenizer import train_tokenizer

FRAME_REPEATS = 3000  # so often that every word of the frame becomes one token


@dataclass(frozen=True)
class Shape:
    """The size of the model; the width of its vectors is the tiny model's, 256."""

    vocabulary: int = 4096
    text_layers: int = 2
    vision_layers: int = 4
    vision_width: int = 128


def make_trainable_checkpoint(
    folder: str | Path, texts: Iterable[str], seed: int = 0, shape: Shape | None = None
) -> None:
    """Write an untrained checkpoint of some 3.5 million parameters whose vocabulary comes from `texts`.

    Equal texts, seed and shape give equal weights on one kind of processor. The folder appears complete or not at all; one that
    exists already is left as it is.
    """
    encodable = [text.encode(errors="replace").decode() for text in texts]
    make_folder(Path(folder), lambda scratch: _write(scratch, encodable, seed, shape or Shape()))


def _write(folder: Path, texts: list[str], seed: int, shape: Shape) -> None:
    frame = newest().frame
    tokenizer = train_tokenizer([frame.opening + frame.closing] * FRAME_REPEATS + texts, shape.vocabulary)
    values = _sized(tiny_config(tokenizer), shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLModel(Qwen3VLConfig.from_dict(values))
    write_checkpoint(folder, model, tokenizer)


def _sized(values: dict[str, Any], shape: Shape) -> dict[str, Any]:
    text = values["text_config"]
    vision = values["vision_config"]
    text |= {
        "num_hidden_layers": shape.text_layers,
        "intermediate_size": 2 * text["hidden_size"],
    }
    vision |= {
        "depth": shape.vision_layers,
        "hidden_size": shape.vision_width,
        "intermediate_size": 2 * shape.vision_width,
        "deepstack_visual_indexes": [shape.vision_layers // 2],
    }
    return values
