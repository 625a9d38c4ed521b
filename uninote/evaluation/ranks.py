"""Where relevant items stand among all of a gallery, exactly, in blocks of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK_SCORES = 1 << 24  # scores held at once: 64 MiB


@dataclass(frozen=True)
class Question:
    """One query: `vector` is its row among the queries; the others are rows of the gallery.

    `left_out` are neither right nor wrong: the query itself, and near-duplicates of it that are not its answer.
    """

    vector: int
    relevant: tuple[int, ...]
    left_out: tuple[int, ...] = ()


def ranks_of(queries: Any, gallery: Any, questions: Sequence[Question]) -> list[np.ndarray]:
    """Return for each question the int64 ranks, from 1, of its relevant items by falling inner product.

    `queries` and `gallery` are float32 (n, width), both arrays or both sparse. Equal scores are ranked in an order drawn once,
    so that an encoder that cannot tell items apart scores as chance would. A score that is NaN ranks last.
    """
    order = np.random.default_rng(0).permutation(gallery.shape[0])
    place = np.argsort(order)
    shuffled = gallery[order]
    rows = max(1, BLOCK_SCORES // max(1, gallery.shape[0]))
    found: list[np.ndarray] = []
    for start in range(0, len(questions), rows):
        block = questions[start : start + rows]
        # One matrix product for the whole block: the ranks themselves are cheap.
        scores = queries[[question.vector for question in block]] @ shuffled.T
        if not isinstance(scores, np.ndarray):
            scores = scores.toarray()
        np.nan_to_num(scores, copy=False, nan=-np.inf)
        for row, question in zip(scores, block, strict=True):
            row[place[list(question.left_out)]] = -np.inf
            found.append(_ranks(row, place[list(question.relevant)]))
    return found


def _ranks(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    own = scores[relevant][:, None]
    higher = (scores[None] > own).sum(axis=1)
    ties = ((scores[None] == own) & (np.arange(len(scores))[None] < relevant[:, None])).sum(axis=1)
    ranks: np.ndarray = higher + ties + 1
    return ranks
