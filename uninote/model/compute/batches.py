"""Batches as the device likes them: small ones for a CPU's caches, halves where a GPU's memory runs short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from uninote.model.compute.batching import token_batches

Compute = Callable[[Sequence[Any]], np.ndarray]

# Padded. Larger batches leave the caches and are slower, by half at 16,384 (docs/encoders.md).
CPU_TOKENS = 2048


def embed_batches(compute: Compute, prepared: Sequence[Any], width: int, device: torch.device) -> np.ndarray:
    """Return float32 (n, width), in order: what `compute` makes of `prepared`, in batches that suit `device`.

    Raises torch.cuda.OutOfMemoryError when a single note is too large.
    """
    if device.type != "cpu":
        return _in_halves(compute, prepared) if prepared else np.zeros((0, width), dtype=np.float32)
    vectors = np.empty((len(prepared), width), dtype=np.float32)
    for batch in token_batches([item.num_tokens for item in prepared], CPU_TOKENS):
        vectors[batch] = _in_halves(compute, [prepared[position] for position in batch])
    return vectors


def _in_halves(compute: Compute, prepared: Sequence[Any]) -> np.ndarray:
    try:
        return compute(prepared)
    except torch.cuda.OutOfMemoryError:
        if len(prepared) == 1:
            raise
    # Outside the handler, whose traceback would keep the failed batch's tensors alive.
    torch.cuda.empty_cache()
    half = len(prepared) // 2
    return np.concatenate([_in_halves(compute, prepared[:half]), _in_halves(compute, prepared[half:])])
