"""A step of training's first stage on one device: adapters, cached gradients, InfoNCE over several widths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from gpu_parts import Parts, timed
from torch import Tensor, nn

from uninote.model.compute.batching import token_batches
from uninote.model.qwen.processing.processor import Prepared
from uninote.training.loop.adapters import recompute_activations, with_adapters
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.gradient_cache import Chunks, backward
from uninote.training.loop.losses import ContrastiveBatch, ContrastiveLoss

WIDTHS = (64, 128, 256, 512, 1024)
TAU, LEARNING_RATE, CLIP_NORM = 0.05, 1e-4, 1.0


@dataclass(frozen=True)
class Lora:
    """The defaults of training's settings, which need pydantic."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Adapter(nn.Module):
    """A linear layer with a low-rank one beside it: what peft would make, where it is not installed."""

    def __init__(self, linear: nn.Linear, lora: Lora) -> None:
        super().__init__()
        self.linear, self.scale = linear, lora.alpha / lora.rank
        self.down = nn.Linear(linear.in_features, lora.rank, bias=False, device=linear.weight.device)
        self.up = nn.Linear(lora.rank, linear.out_features, bias=False, device=linear.weight.device)
        nn.init.zeros_(self.up.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (..., out_features)."""
        return self.linear(rows) + self.scale * self.up(self.down(rows))


class Step:
    """Pairs of a text and a note with one image, and what a step on them needs."""

    def __init__(self, parts: Parts) -> None:
        self.device, size = parts.device, parts.size
        self.processor = parts.processor
        self.tower = parts.new_tower()
        self.adapters = _adapt(self.tower)
        recompute_activations(self.tower.model)
        self.tower.train()
        self.weights = [weight for weight in self.tower.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=LEARNING_RATE)
        items = [parts.prepared(size.tokens, number // size.batch) for number in range(2 * size.batch)]
        self.tokens = sum(item.num_tokens for item in items)
        self.chunks = _chunks(items, size.chunk_tokens)
        widths = (*(width for width in WIDTHS if width < self.tower.full_width), self.tower.full_width)
        self._loss = ContrastiveLoss("infonce", TAU, widths)
        numbers = torch.arange(2 * size.batch, device=self.device)
        self._batch = ContrastiveBatch(numbers[: size.batch], numbers[size.batch :, None], None, numbers)

    def take(self) -> float:
        """Take one step as the trainer takes it, and return the loss."""
        self.optimizer.zero_grad()
        loss = backward(self._embed, self.chunks, lambda vectors: self._loss(vectors, self._batch), keep_graphs=False)
        nn.utils.clip_grad_norm_(self.weights, CLIP_NORM)
        self.optimizer.step()
        return loss

    def _embed(self, prepared: list[Prepared]) -> Tensor:
        batch = self.processor.collate(prepared, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.tower(batch)


def training(parts: Parts, figures: dict[str, Any]) -> None:
    """Fill in the seconds of a step, what it embeds, and its peak memory."""
    parts.free()
    step = Step(parts)
    losses = [step.take()]
    if parts.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = median(timed(lambda: losses.append(step.take()), parts.device) for _ in range(parts.size.steps))
    figures |= {
        "train_step_s": seconds,
        "train_batch": parts.size.batch,
        "train_items": 2 * parts.size.batch,
        "train_tokens_per_s": step.tokens / seconds,
        "train_chunks": len(step.chunks.parts),
        "train_adapters": step.adapters,
        "train_trained_parameters": sum(weight.numel() for weight in step.weights),
        "train_losses": losses,
    }
    if parts.device.type == "cuda":
        figures["train_peak_gib"] = torch.cuda.max_memory_allocated() / 2**30


def _adapt(tower: Any) -> str:
    try:
        tower.model = with_adapters(tower.model, Lora(), seed=0)
    except TrainingError:
        _adapt_plainly(tower.model.language_model, Lora())
        return "plain"
    return "peft"


def _adapt_plainly(model: nn.Module, lora: Lora) -> None:
    wanted = re.compile(rf"(.*\.)({'|'.join(lora.targets)})")
    for name, module in list(model.named_modules()):
        if wanted.fullmatch(name) and isinstance(module, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, Adapter(module, lora))


def _chunks(items: list[Prepared], chunk_tokens: int) -> Chunks:
    batches = token_batches([item.num_tokens for item in items], chunk_tokens)
    order = torch.from_numpy(np.concatenate(batches))
    return Chunks([[items[place] for place in batch] for batch in batches], order)
