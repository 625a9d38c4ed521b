"""Contrastive losses over widths: the paper's symmetric KL with soft labels, and InfoNCE."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from uninote.training.dataset.schemas import NO_ITEM
from uninote.training.loop.errors import TrainingError

Width = int | slice
"""So many first columns of the vectors, or the columns of a smaller depth, which stand beside them."""


@dataclass(frozen=True)
class ContrastiveBatch:
    """Which rows of the embedded items are whose candidates.

    `queries` int64 (b,) and `candidates` int64 (b, c) index rows of the vectors; column 0 is the positive, NO_ITEM is padding.
    `scores` float32 (b, c) are the teacher's, null without teacher. `groups` int64 (items,) are groups of near-duplicates: an
    item of a query's or its positive's group is never its in-batch negative, nor is another right answer of the same query.
    """

    queries: Tensor
    candidates: Tensor
    scores: Tensor | None
    groups: Tensor


@dataclass(frozen=True)
class ContrastiveLoss:
    """A loss over `widths`: their unweighted sum [stated], each on truncated and renormalised vectors.

    `kind` symmetric_kl is the paper's, over positive and hard negatives with a teacher's scores. infonce is our switch
    for a corpus without teacher; with `in_batch` the other positives of the batch are negatives too, and the positive
    looks for its query among the batch's queries likewise (both ours).
    """

    kind: str
    tau: float
    widths: tuple[Width, ...]
    in_batch: bool = True

    def __call__(self, vectors: Tensor, batch: ContrastiveBatch) -> Tensor:
        """Return the scalar loss of L2-normalised float32 `vectors` (items, full width). Raises TrainingError."""
        one = self._kl if self.kind == "symmetric_kl" else self._infonce
        losses = []
        for width in self.widths:
            losses.append(one(truncated(vectors, width), batch))
        return torch.stack(losses).sum()

    def _kl(self, vectors: Tensor, batch: ContrastiveBatch) -> Tensor:
        if batch.scores is None:
            raise TrainingError("symmetric_kl needs a teacher's scores and the training set has none; use loss infonce")
        missing = batch.candidates == NO_ITEM
        target = (batch.scores.float() / self.tau).masked_fill(missing, -torch.inf)
        return symmetric_kl(_logits(vectors, batch) / self.tau, target)

    def _infonce(self, vectors: Tensor, batch: ContrastiveBatch) -> Tensor:
        logits = _logits(vectors, batch) / self.tau
        if not self.in_batch:
            return -functional.log_softmax(logits, dim=1)[:, 0].mean()
        queries = vectors[batch.queries]
        positives = vectors[batch.candidates[:, 0]]
        # Near-duplicates share a group: another positive of the query's group, or of its own positive's, is no wrong answer.
        known = _known(batch)
        others = (queries @ positives.T / self.tau).masked_fill(known, -torch.inf)
        back = (positives @ queries.T / self.tau).masked_fill(known.T, -torch.inf)
        forward = -functional.log_softmax(torch.cat([logits, others], dim=1), dim=1)[:, 0].mean()
        backward = -functional.log_softmax(torch.cat([logits[:, :1], back], dim=1), dim=1)[:, 0].mean()
        return (forward + backward) / 2


def truncated(vectors: Tensor, width: Width) -> Tensor:
    """Return the first columns, as many as `width` says, or the columns that it is, renormalised; all of them as they are."""
    if width == vectors.shape[1]:
        return vectors
    columns = slice(width) if isinstance(width, int) else width
    return functional.normalize(vectors[:, columns], dim=-1)


def symmetric_kl(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over rows of `KL(P||Q) / 2 + KL(Q||P) / 2`, P = softmax(logits), Q = softmax(target).

    [stated], where it is called Jensen-Shannon; equation (1) is the symmetric (Jeffreys) KL, halved. Both are (b, c) and
    already divided by tau; a column that is -inf in both counts for nothing.
    """
    log_p = functional.log_softmax(logits, dim=1)
    log_q = functional.log_softmax(target, dim=1)
    # Padding is -inf in both: -inf - -inf is NaN, in the gradient even where the sum leaves it out.
    absent = torch.isinf(log_q)
    log_p = log_p.masked_fill(absent, 0)
    log_q = log_q.masked_fill(absent, 0)
    # KL(P||Q) + KL(Q||P) in one sum; an absent column has equal logarithms, so it adds nothing
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1).mean() / 2


def _logits(vectors: Tensor, batch: ContrastiveBatch) -> Tensor:
    candidates = vectors[batch.candidates.clamp_min(0)]  # (b, c, width)
    cosines = (candidates * vectors[batch.queries].unsqueeze(1)).sum(dim=-1)
    return cosines.masked_fill(batch.candidates == NO_ITEM, -torch.inf)


def _known(batch: ContrastiveBatch) -> Tensor:
    """Return bool (b, b): which positives are no negatives of which queries, the own one included."""
    queries = batch.groups[batch.queries]
    positives = batch.groups[batch.candidates[:, 0]]
    # A description that notes share is the query of each of them, and an item is embedded once: equal rows are one query.
    same = batch.queries[:, None] == batch.queries[None]
    return same | (queries[:, None] == positives[None]) | (positives[:, None] == positives[None])
