"""What is trained of a checkpoint: all weights of a small one, or adapters (LoRA) of a large one; and how it is saved."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from uninote.config.sections.training import TrainConfig
from uninote.model.identity.limits import NOTHING_SET
from uninote.model.qwen.files.checkpoint import read_card, write_card
from uninote.model.qwen.files.depths import Depth, problem_of
from uninote.model.qwen.processing.limits import check_set_limits
from uninote.model.qwen.processing.processor import NoteProcessor, Prepared
from uninote.model.qwen.tower import UniNote
from uninote.training.loop.adapters import recompute_activations, with_adapters
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.losses import Width

NOT_COPIED = (".safetensors", ".index.json", "evaluation.json")


class Backbone:
    """The tower of one checkpoint in training, on one device, with its processor."""

    def __init__(self, folder: str | Path, config: TrainConfig, device: torch.device) -> None:
        """Load `folder`. Raises CheckpointError, also for limits that it cannot hold, TrainingError for widths and depths."""
        self.folder = Path(folder)
        self.limits = NOTHING_SET if config.limits is None else config.limits.set_limits()
        check_set_limits(folder, self.limits)
        self.processor = NoteProcessor.from_pretrained(folder, None, self.limits)
        self.tower = UniNote.from_pretrained(folder)
        # What the last layer makes of other tokens would be computed twice, and carried back once.
        self.tower.pool_early()
        card = read_card(folder)
        self.widths = _checked_widths(config.widths or card.widths, self.tower.full_width)
        self.depths = _checked_depths(card.depths if config.depths is None else config.depths, self.tower)
        self.device = device
        self._half = config.dtype == "bfloat16"
        self._stored = config.stored_dtype
        self._adapted = config.lora is not None
        if config.lora is not None:
            self.tower.model = with_adapters(self.tower.model, config.lora, config.seed)
        else:
            # In float32: a step of AdamW on bfloat16 weights would mostly round to nothing.
            self.tower.float()
        if config.gradient_checkpointing:
            recompute_activations(self.tower.model)
        self.tower.to(device).train()

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.tower.named_parameters() if weight.requires_grad}

    @property
    def columns(self) -> tuple[Width, ...]:
        """Of what `embed` returns, what a loss is computed of: the first columns by width, and those of each depth."""
        full = self.tower.full_width
        depths = enumerate(self.depths, start=1)
        return (*self.widths, *(slice(place * full, place * full + width) for place, (_, width) in depths))

    def embed(self, prepared: list[Prepared]) -> Tensor:
        """Return float32 (n, full_width), L2-normalised, with a graph where gradients are on.

        Of a model that is trained at depths, the full vectors of each depth stand beside them.
        """
        batch = self.processor.collate(prepared, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            if self.depths:
                return self.tower.at_depths(batch, [layers for layers, _ in self.depths])
            vectors: Tensor = self.tower(batch)
        return vectors

    @contextmanager
    def frozen_start(self) -> Iterator[Backbone]:
        """Yield the model as it was when training began, for a policy's reference.

        With adapters it is the same one with them off; otherwise a copy made now, so ask before the first step.
        """
        if self._adapted:
            yield _WithoutAdapters(self)
            return
        frozen = copy.copy(self)
        frozen.tower = copy.deepcopy(self.tower).requires_grad_(False).eval()
        yield frozen

    def save(self, folder: Path) -> None:
        """Write a checkpoint in the published layout, adapters merged, declaring the widths, depths and limits of training.

        Tokenizer, image settings and other small files come from the starting checkpoint. The folder appears when complete.
        """
        scratch = folder.with_name(f".{folder.name}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        for path in self.folder.iterdir():
            if path.is_file() and not path.name.endswith(NOT_COPIED) and path.suffix in (".json", ".txt", ".jinja"):
                shutil.copyfile(path, scratch / path.name)
        model: Any = self.tower.model
        # Merged in a copy: training may go on with the adapters.
        merged = copy.deepcopy(model).merge_and_unload() if self._adapted else model
        if self._stored is not None:
            merged = copy.deepcopy(merged).to(getattr(torch, self._stored))
        UniNote(merged).save_pretrained(scratch)
        card = read_card(self.folder, None, self.limits)
        write_card(scratch, replace(card, widths=self.widths, depths=self.depths))
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)


class _WithoutAdapters(Backbone):
    def __init__(self, trained: Backbone) -> None:
        # It shares the trained weights: adapters off, they are those of the start, and take no further memory.
        self.__dict__.update(trained.__dict__)

    def embed(self, prepared: list[Prepared]) -> Tensor:
        model: Any = self.tower.model
        with model.disable_adapter():
            return super().embed(prepared)


def _checked_widths(widths: tuple[int, ...], full_width: int) -> tuple[int, ...]:
    if widths[-1] != full_width:
        raise TrainingError(
            f"widths {list(widths)} should end with the checkpoint's full width, {full_width}: it is always trained"
        )
    return widths


def _checked_depths(depths: tuple[Depth, ...], tower: UniNote) -> tuple[Depth, ...]:
    if problem := problem_of(depths, len(tower.model.language_model.layers), tower.full_width):
        raise TrainingError(problem)
    return depths
