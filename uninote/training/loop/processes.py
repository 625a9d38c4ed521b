"""Several training processes as one: who they are, and what they exchange. One process needs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


@contextmanager
def process_group() -> Iterator[None]:
    """Join the group that torchrun's environment (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) names, if it names one."""
    mine = "WORLD_SIZE" in os.environ and int(os.environ["WORLD_SIZE"]) > 1 and not distributed.is_initialized()
    if mine:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        if mine:
            distributed.destroy_process_group()


def rank() -> int:
    """Return this process' place among its peers, 0 when it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def own_share(rows: int) -> slice:
    """Return which of `rows` are this process': equal shares in the order of ranks, the last ones one shorter."""
    size, more = divmod(rows, world_size())
    start = rank() * size + min(rank(), more)
    return slice(start, start + size + (rank() < more))


def gathered(vectors: Tensor) -> tuple[Tensor, slice]:
    """Return the rows (n, width) of all processes in the order of ranks, and which of them are this one's."""
    if world_size() == 1:
        return vectors.clone(), slice(0, len(vectors))
    counts = [torch.zeros(1, dtype=torch.int64, device=vectors.device) for _ in range(world_size())]
    distributed.all_gather(counts, torch.tensor([len(vectors)], device=vectors.device))
    lengths = list(map(int, counts))
    # Collectives take blocks of one size: the ends of shorter ones are cut off again below.
    padded = vectors.new_zeros(max(lengths), vectors.shape[1])
    padded[: len(vectors)] = vectors
    parts = [torch.empty_like(padded) for _ in lengths]
    distributed.all_gather(parts, padded)
    start = sum(lengths[: rank()])
    joined = []
    for part, length in zip(parts, lengths, strict=True):
        joined.append(part[:length])
    return torch.cat(joined), slice(start, start + len(vectors))


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Sum each gradient over all processes, so that all take the step of the joint batch."""
    if world_size() == 1:
        return
    for parameter in parameters:
        # A process whose share of the batch has no image computes no gradient of the vision tower.
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)


def wait_for_all() -> None:
    """Return once every process is here."""
    if world_size() > 1:
        distributed.barrier()
