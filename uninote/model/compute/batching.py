"""Batches of similar length, so that a model pads little and its memory is bounded by tokens, not by rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.errors import UninoteError


def token_batches(lengths: Sequence[int] | np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Split the indices of `lengths` into batches whose padded cost, rows x longest, is at most `batch_tokens`.

    Every index comes exactly once, shortest rows first; a row longer than `batch_tokens` has a batch of its own.
    Raises UninoteError when `batch_tokens` is not positive.
    """
    if batch_tokens < 1:
        raise UninoteError(f"batch_tokens is {batch_tokens}; a batch needs at least 1 token")
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    batches = []
    start = 0
    for end in range(1, len(order) + 1):
        is_last = end == len(order)
        if is_last or (end + 1 - start) * int(lengths[order[end]]) > batch_tokens:
            batches.append(order[start:end])
            start = end
    return batches
