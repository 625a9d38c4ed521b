"""Batches as the device likes them: small ones for a CPU's caches, on a GPU the largest that its memory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Compute = Callable[[Sequence[Any]], Tensor]

# Padded. Larger batches leave the caches and are slower, by half at 16,384 (docs/encoders.md).
CPU_TOKENS = 2048
# Of a GPU, the first one, and the largest that is tried: more would only pad more (not measured).
GPU_TOKENS = 8192
MOST_GPU_TOKENS = 8 * GPU_TOKENS
# Of a GPU, in one call: while it computes one of them, this process makes the next one ready.
BATCHES_A_CALL = 4


class Batches:
    """How many padded tokens (rows x longest) a batch of one encoder may have on its device.

    On a GPU the number is doubled after each full batch. Where a batch does not fit the memory it is halved, and stays.
    """

    def __init__(self, device: torch.device) -> None:
        self.tokens = CPU_TOKENS if device.type == "cpu" else GPU_TOKENS
        self._most = CPU_TOKENS if device.type == "cpu" else MOST_GPU_TOKENS
        self._in_call = 1 if device.type == "cpu" else BATCHES_A_CALL

    @property
    def call_tokens(self) -> int:
        """How many padded tokens `embed` should be given together."""
        return self._in_call * self.tokens

    def embed(self, compute: Compute, prepared: Sequence[Any], width: int) -> np.ndarray:
        """Return float32 (n, width), in order: what `compute` makes of `prepared`, shortest first, in batches that fit.

        `compute` returns float32 (batch, width) on the device, and need not wait for it. Raises torch.OutOfMemoryError
        when a single note is too large.
        """
        vectors = np.empty((len(prepared), width), dtype=np.float32)
        lengths = np.array([item.num_tokens for item in prepared], dtype=np.int64)
        rest = np.argsort(lengths, kind="stable")
        before: tuple[np.ndarray, Tensor] | None = None
        while len(rest):
            batch = rest[: self._fitting(lengths[rest])]
            padded = len(batch) * int(lengths[batch[-1]])
            found = _tried(compute, [prepared[position] for position in batch])
            if found is None:
                self._shrink(padded)
                continue
            # A GPU has only been told by now: this waits for the batch before, whose successor it then has already.
            _fetch(vectors, before)
            before = batch, found
            rest = rest[len(batch) :]
            if 2 * padded > self.tokens:
                self.tokens = min(2 * self.tokens, self._most)
        _fetch(vectors, before)
        return vectors

    def _fitting(self, ascending: np.ndarray) -> int:
        """Return how many of the first, at least one, make a batch."""
        padded = ascending * np.arange(1, len(ascending) + 1)
        return max(1, int(np.searchsorted(padded, self.tokens, side="right")))

    def _shrink(self, padded: int) -> None:
        """Remember that a batch of `padded` tokens is too large."""
        self.tokens = self._most = max(1, padded // 2)
        # What the failed batch left in PyTorch's own store is in pieces of other sizes.
        torch.cuda.empty_cache()


def _fetch(vectors: np.ndarray, batch: tuple[np.ndarray, Tensor] | None) -> None:
    if batch is not None:
        rows, found = batch
        vectors[rows] = found.cpu().numpy()


def _tried(compute: Compute, batch: Sequence[Any]) -> Tensor | None:
    """Return the vectors, null where the memory does not hold the batch: not in the handler, which keeps its tensors alive."""
    try:
        return compute(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        return None
