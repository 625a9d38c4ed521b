"""Gradients of one large batch in small chunks (GradCache), on one process or many, equal to the plain ones.

The loss needs all vectors at once, but not all graphs. So: embed every chunk without a graph, take the loss's gradient
by the vectors, then embed chunk by chunk again, with a graph, and carry that gradient through. Several processes each embed
a share of the items, exchange vectors, and compute the same loss; their parameter gradients are summed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from uninote.training.loop.processes import gathered

Embed = Callable[[Any], Tensor]
Loss = Callable[[Tensor], Tensor]


@dataclass
class _Randomness:
    """The random state that a chunk began with, so that its second pass draws the same dropout."""

    cpu: Tensor
    cuda: list[Tensor]

    @classmethod
    def now(cls) -> _Randomness:
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)


@dataclass(frozen=True)
class Chunks:
    """This process' items in portions for `embed`; `order` int64 (items,) is the place of each item, portion by portion."""

    parts: Sequence[Any]
    order: Tensor


def backward(embed: Embed, chunks: Chunks, loss_of: Loss, keep_graphs: bool) -> float:
    """Add the gradient of `loss_of(all vectors)` to the parameters, and return the loss.

    `embed(part)` returns (n, width); `loss_of` sees all rows in their places, on several processes those of rank 0
    first. `keep_graphs` embeds once and takes the memory of the full batch, else twice with that of one chunk. On
    several processes each parameter gradient is this process' part of a sum.
    """
    # One chunk is the whole batch: embedding it twice would save no memory.
    passes = _embedded if keep_graphs or len(chunks.parts) == 1 else _cached
    vectors, carry = passes(embed, chunks)
    joined, own = gathered(vectors.detach())
    # A leaf of its own: the loss ends here, and what it says of our rows is carried through the encoder.
    joined.requires_grad_()
    loss = loss_of(joined)
    loss.backward()  # type: ignore[no-untyped-call]
    if joined.grad is not None:
        # Every process computes the same loss of all vectors, so the gradient of its own rows is complete.
        carry(joined.grad[own])
    return float(loss.detach())


def embed_all(embed: Embed, chunks: Chunks) -> Tensor:
    """Return the vectors of this process' items in their places, with a graph where gradients are on."""
    return torch.cat([embed(part) for part in chunks.parts])[torch.argsort(chunks.order)]


def _embedded(embed: Embed, chunks: Chunks) -> tuple[Tensor, Callable[[Tensor], None]]:
    vectors = embed_all(embed, chunks)
    return vectors, vectors.backward


def _cached(embed: Embed, chunks: Chunks) -> tuple[Tensor, Callable[[Tensor], None]]:
    states: list[_Randomness] = []

    def first(part: Any) -> Tensor:
        states.append(_Randomness.now())
        return embed(part)

    def carry(gradient: Tensor) -> None:
        after = _Randomness.now()
        start = 0
        for part, state in zip(chunks.parts, states, strict=True):
            state.restore()
            vectors = embed(part)
            vectors.backward(gradient[chunks.order[start : start + len(vectors)]])  # type: ignore[no-untyped-call]
            start += len(vectors)
        # Whoever draws next gets what it would have got after one pass.
        after.restore()

    with torch.no_grad():
        return embed_all(first, chunks), carry
