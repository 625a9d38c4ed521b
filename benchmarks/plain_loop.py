"""The peer: a training step as one would write it by hand, same model, batch and loss, everything in one pass."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from uninote.model.qwen.processing.processor import NoteProcessor, Prepared
from uninote.model.qwen.tower import UniNote
from uninote.training.dataset import TrainingSet


class PlainLoop:
    """AdamW on InfoNCE in both directions over the batch, summed over widths."""

    def __init__(self, checkpoint: str, data: TrainingSet, tau: float, learning_rate: float) -> None:
        self.processor = NoteProcessor.from_pretrained(checkpoint)
        self.model = UniNote.from_pretrained(checkpoint).float().train()
        self._data, self._tau = data, tau
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate)
        self._known: dict[int, Prepared] = {}

    def step(self, queries: np.ndarray, positives: np.ndarray) -> float:
        """Take one step on pairs of items, and return the loss."""
        first = self.embed(queries)
        second = self.embed(positives)
        target = torch.arange(len(first))
        loss = torch.zeros(())
        for width in (64, 128, 256):
            a, b = functional.normalize(first[:, :width], dim=1), functional.normalize(second[:, :width], dim=1)
            logits = a @ b.T / self._tau
            loss = loss + (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.detach())

    def embed(self, items: np.ndarray) -> torch.Tensor:
        """Return the vectors of items, (n, width)."""
        batch = self.processor.collate([self._prepared(int(item)) for item in items])
        hidden = self.model.model(**batch, use_cache=False).last_hidden_state
        last = batch["attention_mask"].sum(1) - 1
        return functional.normalize(hidden[torch.arange(len(last)), last], dim=1)

    @torch.no_grad()
    def embed_only(self, queries: np.ndarray, positives: np.ndarray) -> None:
        """Embed what a step embeds, without a graph."""
        self.embed(queries)
        self.embed(positives)

    def _prepared(self, item: int) -> Prepared:
        if item not in self._known:
            note = self._data.note(item)
            self._known[item] = self.processor.prepare(note, self._data.images(note))
        return self._known[item]
