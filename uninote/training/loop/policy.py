"""Stage 2's objective: what probability a similarity stands for, and how rewards move it.

The paper maximises `advantage x log-probability`, optionally minus `beta KL(policy || reference)`, and leaves open how a
similarity becomes a probability. Ours: the policy draws one candidate of a group, by softmax(cosine / tau) over the group.
Advantages of a group add up to zero, so the normaliser cancels in the first term, whose gradient pushes each cosine by its
advantage / tau; the KL term is what keeps that within bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from uninote.training.loop.losses import Width, truncated
from uninote.training.loop.reward import NOISE, advantages, rewards


@dataclass(frozen=True)
class Ranked:
    """One query of stage 2: rows of the embedded items. `relevant` in falling order, then `noise` in any."""

    query: int
    relevant: tuple[int, ...]
    noise: tuple[int, ...]


@dataclass(frozen=True)
class PolicyLoss:
    """Minus the objective, summed over `widths` [ours: the paper describes stage 2 at one width], averaged over queries.

    The group is the top `group` candidates by the current embedding at that width [stated: the top G by the current one].
    """

    tau: float
    beta: float
    group: int
    widths: tuple[Width, ...]

    def __call__(self, vectors: Tensor, batch: Sequence[Ranked], reference: Tensor | None = None) -> Tensor:
        """Return the scalar loss of L2-normalised `vectors` (items, full width).

        `reference` holds the frozen model's vectors of the same items; null leaves the KL term out.
        """
        terms = []
        for ranked in batch:
            for width in self.widths:
                terms.append(self._of_one(vectors, reference, ranked, width))
        return torch.stack(terms).sum() / len(batch)

    def _of_one(self, vectors: Tensor, reference: Tensor | None, ranked: Ranked, width: Width) -> Tensor:
        candidates = torch.tensor([*ranked.relevant, *ranked.noise], device=vectors.device)
        cosines = _cosines(vectors, ranked.query, candidates, width)
        # Ranks have no gradient: it comes by the probabilities of the items in this order. Stable: equal
        # scores, as at a collapsed start, keep one order on any device.
        order = torch.argsort(cosines.detach(), descending=True, stable=True)[: self.group]
        log_policy = log_probabilities(cosines[order], self.tau)
        weights = group_advantages(order.cpu().numpy(), len(ranked.relevant))
        loss = -(torch.from_numpy(weights).to(log_policy) * log_policy).sum()
        if reference is None or not self.beta:
            return loss
        frozen = _cosines(reference, ranked.query, candidates[order], width)
        log_reference = log_probabilities(frozen, self.tau)
        return loss + self.beta * (log_policy.exp() * (log_policy - log_reference)).sum()


def log_probabilities(cosines: Tensor, tau: float) -> Tensor:
    """Return the policy's log-probabilities of a group's candidates, same shape."""
    return functional.log_softmax(cosines / tau, dim=-1)


def group_advantages(order: np.ndarray, num_relevant: int) -> np.ndarray:
    """Return float64 (G,): the advantage of each ranked candidate; `order` holds its number, relevant ones first."""
    return advantages(rewards(np.where(order < num_relevant, order + 1, NOISE)))


def _cosines(vectors: Tensor, query: int, candidates: Tensor, width: Width) -> Tensor:
    rows = truncated(torch.cat([vectors[query : query + 1], vectors[candidates]]), width)
    return rows[1:] @ rows[0]
