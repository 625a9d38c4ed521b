"""Merging what the shards of an index found: the best candidates of each query, ranked again by their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uninote.index.open_shard import OpenShard
from uninote.vectors.top_k import best_columns

_DEPTH = 10
_FEWEST = 200
_DEEPEST = 1000

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of one shard: queries int64 (m,), keys int64 (m, k), scores float32 (m, k)."""


@dataclass(frozen=True)
class Candidates:
    """The best of each query: `keys` int64, `scores` float32 and `shards` int64, the shard of each key, all (n, k).

    Free slots hold -1, -inf and any shard.
    """

    keys: np.ndarray
    scores: np.ndarray
    shards: np.ndarray


def depth(k: int) -> int:
    """Return how many candidates are ranked again for the best `k`.

    Ten for each, and 200 at least: how many rows the codes put before a true neighbour hangs on the corpus, not on `k`. Of
    300,000 x 64 drawn vectors, 64 lists probed, ten for each found 97.7 % of the best 20 and 95.6 % of the best 10; 200 find
    99.2 % of the best 10. So what is calibrated for one `k` holds for smaller ones. At most 1,000 more than `k`.
    """
    return min(max(_FEWEST, _DEPTH * k), k + _DEEPEST)


def merge(found: Mapping[int, Found], count: int, k: int) -> Candidates:
    """Merge what shards found, by their number, for `count` queries: no key is live in two of them."""
    queries = np.concatenate([np.empty(0, np.int64), *(rows for rows, _, _ in found.values())])
    # A slot for each shard that a query probes, not for every shard: most of some hundred are not probed.
    slots = max(1, int(np.bincount(queries, minlength=count).max(initial=0)))
    keys = np.full((count, slots, k), -1, dtype=np.int64)
    scores = np.full((count, slots, k), -np.inf, dtype=np.float32)
    shards = np.zeros((count, slots), dtype=np.int64)
    place = np.zeros(count, dtype=np.int64)
    for number, (rows, some_keys, some_scores) in found.items():
        keys[rows, place[rows]] = some_keys
        scores[rows, place[rows]] = some_scores
        shards[rows, place[rows]] = number
        place[rows] += 1
    columns, best = best_columns(scores.reshape(count, slots * k), k)
    best_keys = np.where(columns < 0, -1, np.take_along_axis(keys.reshape(count, slots * k), columns, axis=1))
    return Candidates(best_keys, best, np.take_along_axis(shards, np.maximum(columns, 0) // k, axis=1))


def rank_again(candidates: Candidates, shards: Mapping[int, OpenShard], rotated: np.ndarray) -> Candidates:
    """Return the candidates with the scores of their vectors in place of those of their codes, in any order.

    `rotated` are the queries, float32 (n, width).
    """
    scores = np.full(candidates.scores.shape, -np.inf, np.float32)
    for number, shard in shards.items():
        owners, columns = np.nonzero((candidates.shards == number) & (candidates.keys >= 0))
        scores[owners, columns] = shard.exact(candidates.keys[owners, columns], rotated, owners)
    return Candidates(candidates.keys, scores, candidates.shards)


def ranked(candidates: Candidates, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys, scores), both (n, k): the best `k`, best first.

    Equal scores come in order of key: so they fall the same however the corpus is cut into shards.
    """
    # By key among equals: FAISS leaves them in the order in which it met them, which depends on the shards.
    order = np.lexsort((candidates.keys, -candidates.scores), axis=1)[:, :k]
    return np.take_along_axis(candidates.keys, order, axis=1), np.take_along_axis(candidates.scores, order, axis=1)


def distinct(notes: Sequence[object], scores: np.ndarray, k: int) -> list[tuple[object, float]]:
    """Return the first `k` different notes with their best scores; None is no note."""
    best: dict[object, float] = {}
    for note, score in zip(notes, scores, strict=True):
        if note is not None:
            best.setdefault(note, float(score))
    return list(best.items())[:k]
