"""Groups of duplicates of bounded radius: every member is a duplicate of the one note that represents the group.

Chains alone would put a cat and a dog into one group, by many small steps. In order of note_id, a note represents a group
unless it is a duplicate of an earlier representative; every other note belongs to the representative that is nearest. So the
groups of a chain depend on its notes and their vectors, not on when a note arrived, nor on which of its copies a list holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.neighbours.components import connected

_BLOCK_ROWS = 1024  # that are compared with the representatives at once


@dataclass(frozen=True)
class Chains:
    """The chains of n notes, by number. `least` int64 (n,): the first note that any chain of pairs leads to.

    `settled` bool (n,): every other note of the chain is paired with the first, so the chain is a group, which that note
    represents. `scores` float32 (n,) are the cosines with it, 1 for itself; of other chains they say nothing.
    """

    least: np.ndarray
    settled: np.ndarray
    scores: np.ndarray


def chains_of(first: np.ndarray, second: np.ndarray, scores: np.ndarray) -> Chains:
    """Return the chains of n notes, numbered 0 to n - 1 in order of note_id, each of which is in some pair.

    `first` and `second`, int64 (m,), are pairs of `scores`, float32 (m,); a pair may be there twice, and either way round.
    """
    _, least = connected(first, second)
    owners = np.concatenate([first, second])
    others = np.concatenate([second, first])
    both = np.concatenate([scores, scores])
    direct = least[others] == owners
    found = np.full(len(least), -np.inf, np.float32)
    # Two lists may have one pair with scores that differ by rounding: the better one, whichever comes first.
    np.maximum.at(found, others[direct], both[direct])
    found[least == np.arange(len(least))] = 1
    is_open = np.zeros(len(least), bool)
    is_open[least[np.isneginf(found)]] = True
    return Chains(least, ~is_open[least], found)


def nearest_representatives(vectors: np.ndarray, least_score: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (int64 (n,), float32 (n,)): the note that represents the group of each, and the cosine with it.

    `vectors`, float32 (n, width) of unit length, are notes in order of note_id; duplicates have `least_score` or more.
    """
    chosen = _choose(vectors, least_score)
    representatives = np.empty(len(vectors), np.int64)
    scores = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS] @ vectors[chosen].T
        nearest = block.argmax(axis=1)
        place = slice(start, start + len(block))
        representatives[place] = chosen[nearest]
        scores[place] = block[np.arange(len(block)), nearest]
    # A copy of a representative may score higher with another one by rounding, never the representative itself.
    representatives[chosen] = chosen
    scores[chosen] = 1
    return representatives, scores


def _choose(vectors: np.ndarray, least_score: float) -> np.ndarray:
    """Return int64, ascending: the notes that are no duplicates of any of these before them."""
    chosen = np.empty(0, np.int64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        covered = (block @ vectors[chosen].T >= least_score).any(axis=1)
        candidates = np.flatnonzero(~covered)
        among = block[candidates] @ block[candidates].T >= least_score
        taken = np.zeros(len(candidates), bool)
        is_near = np.zeros(len(candidates), bool)
        for place in range(len(candidates)):
            if not is_near[place]:
                taken[place] = True
                is_near |= among[place]
        chosen = np.concatenate([chosen, start + candidates[taken]])
    return chosen
